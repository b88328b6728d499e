// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK
internal import PerchVault

/// A connection as a file has it.
struct ConnectionEntry: Sendable, Equatable {
    var connID: String
    var connection: Connection
    /// nil: as it was.
    var description: String?

    /// - Throws: `PerchError` (`invalid`) that names the file and the id, never a value.
    init(_ connID: String, _ value: JSONValue, of file: String) throws {
        func fault(_ what: String) -> PerchError { PerchError(.invalid, "\(file): \(what)") }
        if let problem = StoredName.problem(connID, "the id of a connection") { throw fault(problem) }
        self.connID = connID
        do throws(PerchError) {
            switch value {
            case .string(let text): connection = try Connection(parsing: text)
            case .object(var members):
                switch members.removeValue(forKey: "description") {
                case nil, .null?: break
                case .string(let text)?: description = text
                default: throw PerchError(.invalid, "'description' is no text")
                }
                connection = try Connection(json: .object(members))
            default: throw PerchError(.invalid, "it is an address or an object")
            }
        } catch {
            throw fault("the connection '\(connID)': \(error.message)")
        }
    }
}

extension ConnectionEntry: ExchangedEntry {
    static let noun = "connection"
    var name: String { connID }

    func sealed(with keys: KeyPlace) throws -> SealedValue { try ConnectionRecords.seal(connection, connID, keys) }
    func isThere(_ snapshot: Snapshot) throws -> Bool { try snapshot.connection(connID) != nil }
    func store(_ sealed: SealedValue, _ transaction: Transaction) throws {
        try transaction.setConnection(connID, type: connection.type, sealed, description: description)
    }

    static func exported(from snapshot: Snapshot, _ keys: KeyPlace) throws -> [Record.Field] {
        try snapshot.connections().map { row in
            guard case .object(var members) = try ConnectionRecords.open(row, keys).json else {
                throw PerchError(.invalid, "the connection '\(row.connID)' is no object")
            }
            if !row.description.isEmpty { members["description"] = .string(row.description) }
            return Record.Field(name: row.connID, value: .value(.object(members)))
        }
    }
}

/// Connections as commands show and seal them.
enum ConnectionRecords {
    /// Of what is secret only that it is there.
    private static let hidden = "***"

    /// All of them; of one that does not open, why.
    static func records(_ rows: [ConnectionRow], _ keys: KeyPlace) -> [Record] {
        rows.map { row in
            do {
                return record(row, try open(row, keys), showSecrets: false)
            } catch {
                return record(row, nil, showSecrets: false, problem: "\(error)")
            }
        }
    }

    static func record(
        _ row: ConnectionRow, _ connection: Connection?, showSecrets: Bool, problem: String? = nil
    ) -> Record {
        let names = connection?.extra.keys.sorted() ?? []
        var extra: Record = [:]
        extra.fields = names.map { name in
            .init(name: name, value: showSecrets ? .value(connection?.extra[name] ?? .null) : .text(hidden))
        }
        return [
            "conn_id": .text(row.connID), "conn_type": .text(row.type), "host": .text(connection?.host),
            "port": .number(connection?.port.map(Int64.init)), "login": .text(connection?.login),
            "password": .text(connection?.password.map { showSecrets ? $0 : hidden }),
            "schema": .text(connection?.schema), "extra": .record(extra),
            "uri": .text(connection.map { showSecrets ? $0.uri : $0.description }),
            "description": .text(row.description), "key_id": .text(row.value.keyID),
            "updated_at": .instant(row.updatedAt), "problem": .text(problem),
        ]
    }

    static func open(_ row: ConnectionRow, _ keys: KeyPlace) throws -> Connection {
        let name = SecretName(.connection, row.connID)
        return try StoredConnection.parse(try keys.ring().open(row.value, of: name), name)
    }

    static func seal(_ connection: Connection, _ connID: String, _ keys: KeyPlace) throws -> SealedValue {
        try keys.ringForSealing().seal(StoredConnection.text(of: connection), for: SecretName(.connection, connID))
    }
}

extension Snapshot {
    /// A connection that is there.
    func knownConnection(_ connID: String) throws -> ConnectionRow {
        if let row = try connection(connID) { return row }
        let known = try connections().map(\.connID)
        throw PerchError(
            .notFound,
            known.isEmpty
                ? "there is no connection '\(connID.shown())', nor any other"
                : "there is no connection '\(connID.shown())'; \(NearName.hint(connID, known))")
    }
}
