// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// A request that an endpoint is to answer. What it says has been checked against the endpoint's table row.
struct RESTCall: Sendable {
    let endpoint: Endpoint
    let caller: Caller
    /// What stands in the path, by the names in it.
    let names: [String: String]
    let parameters: [String: JSONValue]
    /// Null where there is none.
    let body: JSONValue
    let fields: HTTPFields
    let metastore: Metastore
    let access: AccessControl
    let surroundings: APISurroundings
    /// Taken in the transaction that does what is asked for; nil: there is none.
    var keyed: KeyedRequest?

    /// A part of the path.
    func name(_ name: String) -> String { names[name, default: ""] }

    func text(_ parameter: String) -> String? {
        if case .string(let text)? = parameters[parameter] { text } else { nil }
    }

    func flag(_ parameter: String) -> Bool? {
        if case .bool(let flag)? = parameters[parameter] { flag } else { nil }
    }

    func integer(_ parameter: String) -> Int64? {
        if case .integer(let number)? = parameters[parameter] { number } else { nil }
    }

    func instant(_ parameter: String) throws -> Timestamp? { try text(parameter).map { try Timestamp(parsing: $0) } }

    func span(_ parameter: String) throws -> TimeSpan? { try text(parameter).map { try TimeSpan(parsing: $0) } }

    /// The instance of a task that is meant.
    var mapIndex: Int { Int(integer("map_index") ?? -1) }

    // MARK: lists

    /// How many rows a page has at most.
    var limit: Int { Int(integer("limit") ?? 100) }

    /// Names a list with its filters, so that no cursor of it is taken for one of another.
    var listing: String {
        var hash = StableHash128()
        hash.combine(endpoint.path)
        for (name, value) in names.sorted(by: { $0.key < $1.key }) { hash.combine("\(name)=\(value)") }
        for (name, value) in parameters.sorted(by: { $0.key < $1.key })
        where !["limit", "cursor", "fields"].contains(name) { hash.combine("\(name)=\(value.text)") }
        return hash.text
    }

    /// The place after which the page begins; nil: it is the first.
    /// - Throws: `Refusal` for a cursor that is none of this list.
    var place: [JSONValue]? {
        get throws(Refusal) {
            guard let text = text("cursor") else { return nil }
            return try Cursor.place(in: text, of: listing)
        }
    }

    /// A number in the place after which the page begins.
    func placeNumber() throws(Refusal) -> Int64? {
        guard let place = try place else { return nil }
        guard case .integer(let number)? = place.first, place.count == 1 else { throw Cursor.refusal }
        return number
    }

    /// The fields that are wanted; nil: all of them.
    var selection: Set<String>? {
        guard case .array(let names)? = parameters["fields"] else { return nil }
        return Set(names.compactMap { if case .string(let name) = $0 { name } else { nil } })
    }

    // MARK: the metastore

    func read<Result: Sendable>(_ body: @escaping @Sendable (Snapshot) throws -> Result) async throws -> Result {
        try await metastore.read(body)
    }

    /// What is done is recorded in the same transaction.
    func write<Result: Sendable>(_ body: @escaping @Sendable (Transaction) throws -> Result) async throws -> Result {
        try await metastore.write { transaction in
            if let keyed { try transaction.take(keyed) }
            let result = try body(transaction)
            try transaction.audit(auditEntry)
            return result
        }
    }
}

/// What an endpoint answers.
struct RESTReply: Sendable {
    /// Nil: the endpoint's own.
    var status: HTTPResponse.Status?
    var document: JSONValue?
    var fields: HTTPFields = [:]

    init(_ document: JSONValue?, status: HTTPResponse.Status? = nil) {
        self.document = document
        self.status = status
    }
}

extension JSONValue {
    /// A member that is a text.
    func text(_ name: String) -> String? { if case .string(let text)? = self[name] { text } else { nil } }
    /// A member that is true or false.
    func flag(_ name: String) -> Bool? { if case .bool(let flag)? = self[name] { flag } else { nil } }
    /// A member that is a whole number.
    func integer(_ name: String) -> Int64? { if case .integer(let number)? = self[name] { number } else { nil } }
    /// A member that is an instant.
    func instant(_ name: String) throws -> Timestamp? { try text(name).map { try Timestamp(parsing: $0) } }
    /// A member that is an object.
    func object(_ name: String) -> [String: JSONValue]? {
        if case .object(let members)? = self[name] { members } else { nil }
    }
    /// A member that is a list.
    func list(_ name: String) -> [JSONValue]? { if case .array(let values)? = self[name] { values } else { nil } }
}
