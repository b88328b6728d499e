// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// The members of one message, read with errors that name the message and the member.
public struct MessageFields: Sendable {
    /// The `type` of the message.
    public let type: String
    let members: [String: JSONValue]

    init(_ value: JSONValue) throws(BundleProtocolError) {
        guard case .object(let members) = value else { throw BundleProtocolError("a frame that is no JSON object") }
        guard case .string(let type) = members["type"] else { throw BundleProtocolError("a message without a type") }
        self.type = type
        self.members = members
    }

    init(_ value: JSONValue?, in type: String) throws(BundleProtocolError) {
        guard case .object(let members) = value else {
            throw BundleProtocolError("'\(type.shown())': an object is missing")
        }
        self.type = type
        self.members = members
    }

    func integer(_ name: String) throws(BundleProtocolError) -> Int64 {
        guard case .integer(let value) = members[name] else { throw missing(name, "a whole number") }
        return value
    }

    /// A member that may be left out or null; of another type it is wrong all the same.
    func optionalInteger(_ name: String) throws(BundleProtocolError) -> Int64? {
        switch members[name] {
        case nil, .null: return nil
        case .integer(let value): return value
        default: throw missing(name, "a whole number")
        }
    }

    func integer(_ name: String, default other: Int64) throws(BundleProtocolError) -> Int64 {
        try optionalInteger(name) ?? other
    }

    func string(_ name: String) throws(BundleProtocolError) -> String {
        guard case .string(let value) = members[name] else { throw missing(name, "a string") }
        return value
    }

    func optionalString(_ name: String) throws(BundleProtocolError) -> String? {
        switch members[name] {
        case nil, .null: return nil
        case .string(let value): return value
        default: throw missing(name, "a string")
        }
    }

    func bool(_ name: String, default other: Bool) throws(BundleProtocolError) -> Bool {
        switch members[name] {
        case nil, .null: return other
        case .bool(let value): return value
        default: throw missing(name, "true or false")
        }
    }

    func value(_ name: String) -> JSONValue? { members[name] }

    func object(_ name: String) throws(BundleProtocolError) -> MessageFields {
        try MessageFields(members[name], in: "\(type).\(name)")
    }

    func optionalObject(_ name: String) throws(BundleProtocolError) -> MessageFields? {
        switch members[name] {
        case nil, .null: nil
        case let value: try MessageFields(value, in: "\(type).\(name)")
        }
    }

    /// A list; an absent one is empty.
    func list(_ name: String) throws(BundleProtocolError) -> [JSONValue] {
        switch members[name] {
        case nil, .null: return []
        case .array(let elements): return elements
        default: throw missing(name, "a list")
        }
    }

    /// A list of strings; an absent one is empty.
    func strings(_ name: String) throws(BundleProtocolError) -> [String] {
        var texts: [String] = []
        for element in try list(name) {
            guard case .string(let text) = element else { throw missing(name, "a list of strings") }
            texts.append(text)
        }
        return texts
    }

    func missing(_ name: String, _ wanted: String) -> BundleProtocolError {
        BundleProtocolError("'\(type.shown())': \(name) is not \(wanted)")
    }
}
