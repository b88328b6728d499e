// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

extension Transaction {
    /// Stores a variable, over one of the same key.
    /// - Parameter description: nil: as it was.
    /// - Throws: `invalid` for a key that none may have, and for a secret that is not sealed.
    package func setVariable(_ key: String, _ value: StoredText, isSecret: Bool, description: String?) throws {
        if let problem = StoredName.problem(key, "the key of the variable") { throw PerchError(.invalid, problem) }
        let (text, keyID): (String, String?) =
            switch value {
            case .plain(let text): (text, nil)
            case .sealed(let sealed): (sealed.text, sealed.keyID)
            }
        guard !isSecret || keyID != nil else {
            throw PerchError(.invalid, "the variable '\(key)' is secret: it is stored sealed or not at all")
        }
        try run(
            """
            INSERT INTO variable (key, value, key_id, is_secret, description, updated_at) VALUES (:1, :2, :3, :4, :5, :6)
            ON CONFLICT (key) DO UPDATE SET value = :2, key_id = :3, is_secret = :4, updated_at = :6,
                description = COALESCE(:7, variable.description)
            """, key, text, keyID, isSecret, description ?? "", now, description)
    }

    /// Removes a variable. False where there is none.
    public func deleteVariable(_ key: String) throws -> Bool {
        try run("DELETE FROM variable WHERE key = :1", key) > 0
    }

    /// Stores a connection, over one of the same id.
    /// - Parameter description: nil: as it was.
    /// - Throws: `invalid` for an id that none may have.
    package func setConnection(_ id: String, type: String, _ value: SealedValue, description: String?) throws {
        if let problem = StoredName.problem(id, "the id of the connection") { throw PerchError(.invalid, problem) }
        try run(
            """
            INSERT INTO connection (conn_id, conn_type, value, key_id, description, updated_at)
            VALUES (:1, :2, :3, :4, :5, :6)
            ON CONFLICT (conn_id) DO UPDATE SET conn_type = :2, value = :3, key_id = :4, updated_at = :6,
                description = COALESCE(:7, connection.description)
            """, id, type, value.text, value.keyID, description ?? "", now, description)
    }

    /// Removes a connection. False where there is none.
    public func deleteConnection(_ id: String) throws -> Bool {
        try run("DELETE FROM connection WHERE conn_id = :1", id) > 0
    }

    /// Puts the same value under another key, where it still is what was read. False where it was changed or removed
    /// meanwhile: whoever did that has sealed it himself.
    package func reseal(_ name: SecretName, from old: SealedValue, to new: SealedValue) throws -> Bool {
        switch name.kind {
        case .connection:
            try run(
                "UPDATE connection SET value = :4, key_id = :5 WHERE conn_id = :1 AND value = :2 AND key_id = :3",
                name.name, old.text, old.keyID, new.text, new.keyID) > 0
        case .variable:
            try run(
                "UPDATE variable SET value = :4, key_id = :5 WHERE key = :1 AND value = :2 AND key_id = :3", name.name,
                old.text, old.keyID, new.text, new.keyID) > 0
        case .secret: false
        }
    }

    /// What a template that is rendered in this transaction, and stored by it, may have of a variable: secret ones are named,
    /// but never opened. Connections are none of it.
    func templateVariable(_ name: SecretName) throws -> FoundSecret? {
        guard name.kind == .variable, let row = try variable(name.name) else { return nil }
        switch row.value {
        case .plain(let text): return .variable(Variable(text, isSecret: row.isSecret))
        case .sealed: return .variable(Variable("", isSecret: true))
        }
    }
}
