// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK
internal import PerchVault

/// A variable as a command is given it.
struct VariableEntry: Sendable, Equatable {
    var key: String
    var value: String
    var isSecret: Bool
    /// nil: as it was.
    var description: String?

    init(key: String, value: String, isSecret: Bool, description: String? = nil) {
        self.key = key
        self.value = value
        self.isSecret = isSecret
        self.description = description
    }

    /// One of a file.
    /// - Throws: `PerchError` (`invalid`) that names the file and the key, never a value.
    init(_ key: String, _ value: JSONValue, of file: String) throws {
        func fault(_ what: String) -> PerchError { PerchError(.invalid, "\(file): \(what)") }
        if let problem = StoredName.problem(key, "the key of a variable") { throw fault(problem) }
        self.key = key
        isSecret = SensitiveName.holds(key)
        guard case .object(let fields) = value, let inner = fields["value"],
            fields.keys.allSatisfy({ ["value", "description", "is_secret"].contains($0) })
        else {
            self.value = Self.text(value)
            return
        }
        self.value = Self.text(inner)
        switch fields["description"] {
        case nil, .null?: break
        case .string(let text)?: description = text
        default: throw fault("'description' of the variable '\(key)' is no text")
        }
        switch fields["is_secret"] {
        case nil, .null?: break
        case .bool(let flag)?: isSecret = flag
        default: throw fault("'is_secret' of the variable '\(key)' is true or false")
        }
    }

    private static func text(_ value: JSONValue) -> String {
        if case .string(let text) = value { text } else { value.text }
    }
}

extension VariableEntry: ExchangedEntry {
    static let noun = "variable"
    var name: String { key }

    func sealed(with keys: KeyPlace) throws -> StoredText {
        guard isSecret else { return .plain(value) }
        return .sealed(try keys.ringForSealing().seal(value, for: SecretName(.variable, key)))
    }

    func isThere(_ snapshot: Snapshot) throws -> Bool { try snapshot.variable(key) != nil }
    func store(_ sealed: StoredText, _ transaction: Transaction) throws {
        try transaction.setVariable(key, sealed, isSecret: isSecret, description: description)
    }

    static func exported(from snapshot: Snapshot, _ keys: KeyPlace) throws -> [Record.Field] {
        try snapshot.variables().map { row in
            Record.Field(
                name: row.key,
                value: .record([
                    "value": .text(try VariableRecords.value(of: row, keys, showSecrets: true)),
                    "description": .text(row.description), "is_secret": .flag(row.isSecret),
                ]))
        }
    }
}

/// Variables as commands show them.
enum VariableRecords {
    static let hidden = "***"

    /// - Parameter value: nil: what is plain of it.
    static func record(_ row: VariableRow, _ value: String? = nil) -> Record {
        var shown = value ?? hidden
        if value == nil, !row.isSecret, case .plain(let text) = row.value { shown = text }
        return [
            "key": .text(row.key), "value": .text(shown), "is_secret": .flag(row.isSecret),
            "description": .text(row.description), "updated_at": .instant(row.updatedAt),
        ]
    }

    /// The value; nil where it is secret and not to be shown.
    static func value(of row: VariableRow, _ keys: KeyPlace, showSecrets: Bool) throws -> String? {
        if row.isSecret, !showSecrets { return nil }
        switch row.value {
        case .plain(let text): return text
        case .sealed(let value): return try keys.ring().open(value, of: SecretName(.variable, row.key))
        }
    }
}

extension Snapshot {
    /// A variable that is there.
    func knownVariable(_ key: String) throws -> VariableRow {
        if let row = try variable(key) { return row }
        let known = try variables().map(\.key)
        throw PerchError(
            .notFound,
            known.isEmpty
                ? "there is no variable '\(key.shown())', nor any other"
                : "there is no variable '\(key.shown())'; \(NearName.hint(key, known))")
    }
}
