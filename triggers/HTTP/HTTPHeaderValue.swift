// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// The value of a header: a text, or a reference to a secret that is never stored or shown.
public enum HTTPHeaderValue: Hashable, Sendable {
    case text(String)
    /// What stands in an environment variable of the triggerer when the wait is armed, behind a prefix.
    case environment(String, prefix: String = "")
    /// A secret by its name, behind a prefix. It is looked up when the wait is armed, in the variable `PERCH_SECRET_<name>`
    /// of the triggerer's environment first. `conn:ID.PART` is a part of a connection, `var:KEY` a variable.
    case secret(String, prefix: String = "")

    /// A part of a connection, behind a prefix: `password`, `extra.token`, …; `basic` is login and password as HTTP's
    /// basic authentication has them, behind `Basic `.
    public static func connection(_ id: String, _ part: String, prefix: String? = nil) -> HTTPHeaderValue {
        .secret("conn:\(id).\(part)", prefix: prefix ?? (part == "basic" ? "Basic " : ""))
    }

    var isSecret: Bool { if case .text = self { false } else { true } }

    var problem: String? {
        switch self {
        case .text(let text): Self.problem(in: text)
        case .environment(let name, let prefix):
            name.isEmpty ? "an environment variable has a name" : Self.problem(in: prefix)
        case .secret(let name, let prefix):
            SecretReference.problem(name) ?? Self.problem(in: prefix)
        }
    }

    static func problem(in text: String) -> String? {
        text.utf8.contains { $0 == 0x0A || $0 == 0x0D || $0 == 0 } ? "it holds a line break or a zero byte" : nil
    }
}

extension HTTPHeaderValue: ExpressibleByStringInterpolation {
    /// A text.
    public init(stringLiteral value: String) { self = .text(value) }
}

extension HTTPHeaderValue: Codable {
    private enum CodingKeys: String, CodingKey {
        case environment, secret, prefix
    }

    /// Reads a text, or `{"secret": "TOKEN", "prefix": "Bearer "}`; `environment` in the same way.
    public init(from decoder: any Decoder) throws {
        do {
            self = .text(try decoder.singleValueContainer().decode(String.self))
        } catch DecodingError.typeMismatch {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            let prefix = try container.decodeIfPresent(String.self, forKey: .prefix) ?? ""
            if let name = try container.decodeIfPresent(String.self, forKey: .secret) {
                self = .secret(name, prefix: prefix)
            } else {
                self = .environment(try container.decode(String.self, forKey: .environment), prefix: prefix)
            }
        }
    }

    /// Writes the text or the reference, never what the reference stands for.
    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .text(let text):
            var container = encoder.singleValueContainer()
            try container.encode(text)
        case .environment(let name, let prefix):
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(name, forKey: .environment)
            if !prefix.isEmpty { try container.encode(prefix, forKey: .prefix) }
        case .secret(let name, let prefix):
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(name, forKey: .secret)
            if !prefix.isEmpty { try container.encode(prefix, forKey: .prefix) }
        }
    }
}

extension HTTPHeaderValue {
    /// Headers with what their references stand for, by name.
    /// - Throws: `PerchError` that names the reference which stands for nothing, never a value.
    static func filled(
        _ headers: [String: HTTPHeaderValue], environment: (String) -> String?, secrets: any SecretResolver
    ) throws(PerchError) -> [(name: String, value: String, isSecret: Bool)] {
        var filled: [(name: String, value: String, isSecret: Bool)] = []
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) {
            let text: String
            switch value {
            case .text(let plain): text = plain
            case .environment(let variable, let prefix):
                text = prefix + (try checked(environment(variable), name, "the environment variable \(variable)"))
            case .secret(let secret, let prefix):
                text = prefix + (try checked(secrets.secret(secret), name, secrets.place(of: secret)))
            }
            // What authorizes is as secret as what is referred to.
            let isSecret = value.isSecret || ["authorization", "cookie"].contains(name.lowercased())
            filled.append((name, text, isSecret))
        }
        return filled
    }

    private static func checked(_ secret: String?, _ header: String, _ place: String) throws(PerchError) -> String {
        guard let secret else { throw PerchError(.notFound, "the header '\(header)' needs \(place), which is not set") }
        guard problem(in: secret) == nil else { throw PerchError(.invalid, "\(place) holds a line break") }
        return secret
    }
}
