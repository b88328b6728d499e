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
        guard case .object(let members) = value else { throw BundleProtocolError("'\(type)': an object is missing") }
        self.type = type
        self.members = members
    }

    func integer(_ name: String) throws(BundleProtocolError) -> Int64 {
        guard case .integer(let value) = members[name] else { throw missing(name, "a whole number") }
        return value
    }

    func integer(_ name: String, default other: Int64) -> Int64 {
        if case .integer(let value) = members[name] { value } else { other }
    }

    func string(_ name: String) throws(BundleProtocolError) -> String {
        guard case .string(let value) = members[name] else { throw missing(name, "a string") }
        return value
    }

    func optionalString(_ name: String) -> String? {
        if case .string(let value) = members[name] { value } else { nil }
    }

    func bool(_ name: String, default other: Bool) -> Bool {
        if case .bool(let value) = members[name] { value } else { other }
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
        BundleProtocolError("'\(type)': \(name) is not \(wanted)")
    }
}
