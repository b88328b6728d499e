// SPDX-License-Identifier: Apache-2.0

/// A variable: a text that people set beside the DAGs, and whether it must not be shown.
public struct Variable: Hashable, Sendable {
    public var value: String
    /// Secret ones are sealed where they are stored, masked in logs, and never rendered into what is stored.
    public var isSecret: Bool

    /// A variable from its parts.
    public init(_ value: String, isSecret: Bool = false) {
        self.value = value
        self.isSecret = isSecret
    }
}

extension Variable: ExpressibleByStringInterpolation {
    /// A variable that may be shown.
    public init(stringLiteral value: String) { self.init(value) }
}

extension Variable: CustomStringConvertible, CustomDebugStringConvertible {
    /// The value, or `***`.
    public var description: String { isSecret ? "***" : value }
    /// The description: a debugger's output is read by people, too.
    public var debugDescription: String { description }
}

/// Names that say of themselves that what they hold is secret.
package enum SensitiveName {
    private static let words = [
        "access_token", "api_key", "apikey", "authorization", "credential", "keyfile_dict", "passphrase", "passwd",
        "password", "private_key", "secret", "service_account", "token",
    ]

    /// Whether a name is of this kind: `orders_api_key`, `SMTP-Password`.
    package static func holds(_ name: String) -> Bool {
        let plain = name.lowercased().replacing("-", with: "_")
        return words.contains { plain.contains($0) }
    }
}

/// What names of variables and ids of connections are of.
package enum StoredName {
    private static let longest = 250

    /// What is wrong with a name; nil where nothing is.
    package static func problem(_ name: String, _ what: String) -> String? {
        if name.isEmpty { return "\(what) is empty" }
        if name.utf8.count > longest { return "\(what) is longer than \(longest) bytes" }
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): true
            case UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."): true
            default: false
            }
        }
        return isPlain ? nil : "\(what) is of letters, digits, '_', '-' and '.', not '\(name.shown(60))'"
    }
}
