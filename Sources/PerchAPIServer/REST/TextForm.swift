// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// What a text may be that is not any, as the document tells it. Whoever takes such a text checks it, and says what is wrong
/// with it in words of its own; lengths are counted there in bytes.
enum TextForm: Sendable, Hashable {
    /// What events and the like are called: one to so many bytes, without control characters.
    case word(most: Int)
    /// What variables, connections, users and tokens are called.
    case storedName
    /// The same, with `*` for any characters and `?` for one.
    case namePattern
    case runID
    case poolName
    case password
    /// What a list has given: nobody can make one up.
    case cursor

    private static let noControl = "\\u0000-\\u001F\\u007F-\\u009F"

    /// As JSON Schema has it.
    var document: JSONValue {
        switch self {
        case .word(let most): Self.text(1...most, "^[^\(Self.noControl)]+$")
        case .storedName: Self.text(1...250, "^[A-Za-z0-9_.-]+$")
        case .namePattern: Self.text(1...250, "^[A-Za-z0-9_.*?-]+$")
        case .runID: Self.text(1...250, "^(?!\\.{1,2}$)[^/\(Self.noControl)]+$")
        case .poolName: ["type": "string", "minLength": 1, "pattern": "^[^:]+$"]
        case .cursor: Self.text(2...8_192, "^([0-9a-f]{2})+$")
        case .password: Self.text(PasswordHash.shortest...PasswordHash.longest)
        }
    }

    private static func text(_ lengths: ClosedRange<Int>, _ pattern: String? = nil) -> JSONValue {
        var members: [String: JSONValue] = [
            "type": "string", "minLength": .integer(Int64(lengths.lowerBound)),
            "maxLength": .integer(Int64(lengths.upperBound)),
        ]
        if let pattern { members["pattern"] = .string(pattern) }
        return .object(members)
    }
}
