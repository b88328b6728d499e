// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// A variable as it is stored.
public struct VariableRow: Sendable, Hashable {
    public var key: String
    package var value: StoredText
    /// Whether it must not be shown. Secret ones are sealed.
    public var isSecret: Bool
    public var description: String
    public var updatedAt: Timestamp

    /// A variable from its parts.
    package init(
        key: String, value: StoredText, isSecret: Bool, description: String = "",
        updatedAt: Timestamp = Timestamp(microseconds: 0)
    ) {
        self.key = key
        self.value = value
        self.isSecret = isSecret
        self.description = description
        self.updatedAt = updatedAt
    }
}

/// A connection as it is stored.
public struct ConnectionRow: Sendable, Hashable {
    public var connID: String
    /// `postgres`, `http`, …: what is not sealed.
    public var type: String
    package var value: SealedValue
    public var description: String
    public var updatedAt: Timestamp

    /// A connection from its parts.
    package init(
        connID: String, type: String, value: SealedValue, description: String = "",
        updatedAt: Timestamp = Timestamp(microseconds: 0)
    ) {
        self.connID = connID
        self.type = type
        self.value = value
        self.description = description
        self.updatedAt = updatedAt
    }
}

extension Snapshot {
    /// Every variable, by key.
    public func variables() throws -> [VariableRow] {
        try rows(
            "SELECT key, value, key_id, is_secret, description, updated_at FROM variable ORDER BY key",
            as: Self.variable)
    }

    /// One variable; nil where there is none of this key.
    public func variable(_ key: String) throws -> VariableRow? {
        try first(
            "SELECT key, value, key_id, is_secret, description, updated_at FROM variable WHERE key = :1", key,
            as: Self.variable)
    }

    /// Every connection, by id.
    public func connections() throws -> [ConnectionRow] {
        try rows(
            "SELECT conn_id, conn_type, value, key_id, description, updated_at FROM connection ORDER BY conn_id",
            as: Self.connection)
    }

    /// One connection; nil where there is none of this id.
    public func connection(_ id: String) throws -> ConnectionRow? {
        try first(
            "SELECT conn_id, conn_type, value, key_id, description, updated_at FROM connection WHERE conn_id = :1", id,
            as: Self.connection)
    }

    /// What is stored behind a name; nil where nothing is. Secrets that are neither are not stored.
    package func stored(_ name: SecretName) throws -> StoredText? {
        switch name.kind {
        case .connection: try connection(name.name).map { .sealed($0.value) }
        case .variable: try variable(name.name)?.value
        case .secret: nil
        }
    }

    /// The next values that another key than this one opens, behind a name: the connections first, each kind by its names.
    package func sealedOtherwise(
        than keyID: String, after last: SecretName?, limit: Int
    ) throws -> [(name: SecretName, value: SealedValue)] {
        var found: [(name: SecretName, value: SealedValue)] = []
        if last?.kind != .variable {
            found = try rows(
                """
                SELECT conn_id, value, key_id FROM connection WHERE key_id <> :1 AND conn_id > :2
                ORDER BY conn_id LIMIT :3
                """, keyID, last?.name ?? "", limit
            ) { (SecretName(.connection, $0.text(0)), SealedValue(keyID: $0.text(2), text: $0.text(1))) }
        }
        guard found.count < limit else { return found }
        return try found
            + rows(
                """
                SELECT key, value, key_id FROM variable WHERE key_id <> :1 AND key > :2 ORDER BY key LIMIT :3
                """, keyID, last?.kind == .variable ? last?.name : "", limit - found.count
            ) { (SecretName(.variable, $0.text(0)), SealedValue(keyID: $0.text(2), text: $0.text(1))) }
    }

    private static func variable(_ row: borrowing SQLRow) -> VariableRow {
        let keyID = row.optionalText(2)
        return VariableRow(
            key: row.text(0),
            value: keyID.map { .sealed(SealedValue(keyID: $0, text: row.text(1))) } ?? .plain(row.text(1)),
            isSecret: row.bool(3), description: row.text(4), updatedAt: row.time(5))
    }

    private static func connection(_ row: borrowing SQLRow) -> ConnectionRow {
        ConnectionRow(
            connID: row.text(0), type: row.text(1), value: SealedValue(keyID: row.text(3), text: row.text(2)),
            description: row.text(4), updatedAt: row.time(5))
    }
}
