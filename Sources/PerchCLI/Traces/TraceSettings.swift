// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Where spans go, and under which name.
struct TraceSettings: Sendable {
    /// The whole address that spans are posted to.
    var url: String
    /// Headers that whoever takes them asks for; they may hold secrets.
    var headers: [String: String]
    /// What is said of this process with every batch, in order.
    var resource: [(name: String, value: String)]

    /// By the settings, else by the variables that OpenTelemetry has for it; nil: nobody wants spans.
    init?(_ configuration: Configuration, role: String, environment: [String: String]) {
        func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        if let base = configuration.text("traces.endpoint") {
            url = Self.under(base)
        } else if variable("OTEL_SDK_DISABLED")?.lowercased() == "true" || variable("OTEL_TRACES_EXPORTER") == "none" {
            return nil
        } else if let whole = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") {
            url = whole
        } else if let base = variable("OTEL_EXPORTER_OTLP_ENDPOINT") {
            url = Self.under(base)
        } else {
            return nil
        }
        headers = Self.pairs(
            variable("OTEL_EXPORTER_OTLP_TRACES_HEADERS") ?? variable("OTEL_EXPORTER_OTLP_HEADERS") ?? "")
        headers["Content-Type"] = "application/json"
        let name = configuration.text("traces.service_name") ?? variable("OTEL_SERVICE_NAME") ?? "perch"
        resource = [
            ("service.name", name), ("service.version", PerchVersion.current), ("perch.role", role),
        ]
    }

    private static func under(_ base: String) -> String {
        (base.hasSuffix("/") ? String(base.dropLast()) : base) + "/v1/traces"
    }

    /// `name=value,name=value`, the values written as in addresses.
    static func pairs(_ text: String) -> [String: String] {
        var found: [String: String] = [:]
        for pair in text.split(separator: ",") {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = sides[0].filter { $0 != " " }
            guard sides.count == 2, !name.isEmpty else { continue }
            found[name] = decoded(sides[1].drop { $0 == " " })
        }
        return found
    }

    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            if byte == UInt8(ascii: "%"), let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 16) {
                bytes.append(code)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
