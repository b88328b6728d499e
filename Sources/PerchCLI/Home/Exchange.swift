// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK
internal import PerchVault

/// What is exported and imported by name: a connection or a variable, as a file has it.
protocol ExchangedEntry: Sendable {
    /// What is stored of it.
    associatedtype Sealed: Sendable
    /// As messages call one.
    static var noun: String { get }
    var name: String { get }

    /// One of a file.
    /// - Throws: `PerchError` (`invalid`) that names the file and the entry, never a value.
    init(_ name: String, _ value: JSONValue, of file: String) throws
    func sealed(with keys: KeyPlace) throws -> Sealed
    /// Whether there is one of this name.
    func isThere(_ snapshot: Snapshot) throws -> Bool
    func store(_ sealed: Sealed, _ transaction: Transaction) throws
    /// All that there are, opened, as files have them.
    static func exported(from snapshot: Snapshot, _ keys: KeyPlace) throws -> [Record.Field]
}

extension ExchangedEntry {
    /// `1 variable`, `3 variables`.
    static func count(_ count: Int) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
}

/// Where an export goes: a file that only its owner can read, or, where it is asked for, standard output.
struct ExportOptions: ParsableArguments {
    @Argument(
        help: "The file, which only you can read; an existing one is refused. - is standard output.",
        completion: .file())
    var path: String?
    @Flag(name: .long, help: "Write to standard output, secrets and all.") var stdout = false

    func validate() throws {
        guard (path == nil) == stdout else {
            throw ValidationError("it is written to a file, FILE, or with --stdout, or as -, to standard output")
        }
    }

    /// Writes all entries of a kind there.
    func write<Entry: ExchangedEntry>(_ kind: Entry.Type, _ options: SecretOptions) async throws {
        let fields = try await options.withKeys { metastore, keys in
            try await metastore.read { try Entry.exported(from: $0, keys) }
        }
        var record: Record = [:]
        record.fields = fields
        try write(.record(record), Entry.count(fields.count))
    }

    private func write(_ document: Document, _ what: String) throws {
        let text = document.prettyJSON()
        try RemoteOrigin.refuseFile(path)
        guard let path, path != "-" else {
            try Console.shared.line(text)
            return try Console.shared.flush()
        }
        try PrivateFile.create(path, text + "\n")
        Console.shared.say("\(what) written to \(path)")
    }
}

/// What an import does with what is there already.
enum ImportAction: String, CaseIterable, ExpressibleByArgument {
    case overwrite, fail, skip
}

/// The text that an import reads.
struct ImportOptions: ParsableArguments {
    @Argument(help: "The file; - is standard input.", completion: .file()) var path: String
    @Option(
        name: [.customShort("a"), .customLong("action-on-existing-key")],
        help: "What becomes of what is there already: overwrite, fail or skip.")
    var action: ImportAction = .overwrite

    /// What the file is called in messages.
    var name: String { path == "-" ? "standard input" : path }

    /// Stores the entries of the text: all of them or, where one is wrong, none.
    func read<Entry: ExchangedEntry>(_ kind: Entry.Type, _ options: SecretOptions) async throws {
        let entries = try members().map { try Entry($0.name, $0.value, of: name) }
        let action = action
        let count = try await options.withKeys { metastore, keys in
            let sealed = try entries.map { ($0, try $0.sealed(with: keys)) }
            return try await metastore.write { transaction in
                var count = 0
                for (entry, value) in sealed {
                    if action != .overwrite, try entry.isThere(transaction) {
                        if action == .skip { continue }
                        throw PerchError(
                            .conflict, "there is a \(Entry.noun) '\(entry.name)' already; nothing was imported")
                    }
                    try entry.store(value, transaction)
                    count += 1
                }
                return count
            }
        }
        try Console.shared.line("\(Entry.count(count)) set")
        try Console.shared.flush()
    }

    /// The members of the file's object, in order.
    /// - Throws: `PerchError` that never repeats the text, which holds secrets.
    private func members() throws -> [(name: String, value: JSONValue)] {
        try RemoteOrigin.refuseFile(path)
        let text: String
        if path == "-" {
            text = StandardInput.text()
        } else if let found = try TextFile.readIfPresent(path) {
            text = found
        } else {
            throw PerchError(.notFound, "there is no file \(path)")
        }
        let document: JSONValue
        do {
            document = try JSONValue(parsing: text)
        } catch {
            throw PerchError(.invalid, "\(name) is no JSON")
        }
        guard case .object(let members) = document else { throw PerchError(.invalid, "\(name) is no JSON object") }
        return members.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
