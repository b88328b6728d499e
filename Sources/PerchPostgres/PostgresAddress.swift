// SPDX-License-Identifier: Apache-2.0

internal import CPQ
internal import PerchSDK

/// Where a database is, and how one gets in: a URI as libpq reads it. The whole of it goes to libpq alone; messages show
/// `name`.
package struct PostgresAddress: Sendable {
    /// Holds the password, perhaps.
    let uri: String
    /// `postgresql://db.example:5432/perch`.
    package let name: String
    private let password: String?

    /// - Throws: `invalid` for a text that is no such URI; the message does not repeat it.
    package init(_ uri: String) throws {
        guard Self.isOne(uri), !uri.utf8.contains(0) else { throw Self.invalid }
        var fault: UnsafeMutablePointer<CChar>?
        // What libpq says of a text may hold a part of the password.
        defer { PQfreemem(fault) }
        guard let options = PQconninfoParse(uri, &fault) else { throw Self.invalid }
        defer { PQconninfoFree(options) }
        var given: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { given[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        let host = given["host"] ?? given["hostaddr"] ?? ""
        // An @ in a password that was not written as %40.
        guard !host.contains("@") else { throw Self.invalid }
        let ports = (given["port"] ?? "").split(separator: ",")
        guard ports.allSatisfy({ (1...65_535).contains(Int($0) ?? 0) }) else { throw Self.invalid }
        self.uri = uri
        password = given["password"].flatMap { $0.isEmpty ? nil : $0 }
        let shown = host.hasPrefix("/") || host.contains(":") && !host.contains(",") ? "[\(host)]" : host
        let port = host.isEmpty ? "" : ":\(given["port"] ?? "5432")"
        name = "postgresql://\(shown.shown(200))\(port)/\(given["dbname"]?.shown(80) ?? "")"
    }

    package var hasPassword: Bool { password != nil }

    /// Whether a text is meant as such a URI.
    package static func isOne(_ text: String) -> Bool {
        text.hasPrefix("postgresql://") || text.hasPrefix("postgres://")
    }

    private static var invalid: PerchError {
        PerchError(
            .invalid,
            "the URL of the metastore cannot be read: it is postgresql://USER:PASSWORD@HOST:PORT/DATABASE, and characters "
                + "such as @ : / ? # % in a password are written as %40 %3A %2F %3F %23 %25")
    }

    /// What libpq or the server said, on one line and without the password.
    func cleaned(_ words: String) -> String {
        var text = words.split(whereSeparator: \.isNewline).joined(separator: "; ").replacing("\t", with: "")
        if let password { text = text.replacing(password, with: "***") }
        return text.isEmpty ? "the connection broke" : text.shown(600)
    }
}

extension PostgresAddress: CustomStringConvertible, CustomReflectable {
    package var description: String { name }
    package var customMirror: Mirror { Mirror(self, children: ["name": name]) }
}
