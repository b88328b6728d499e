// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK
internal import PerchVault

/// `--home` and `--set`, for the commands that work on what is sealed.
struct SecretOptions: ParsableArguments {
    @OptionGroup var settings: SettingsOption
    @OptionGroup var home: HomeOption

    /// Runs `body` on the opened metastore with the keys of the home.
    func withKeys<Result: Sendable>(_ body: (Metastore, KeyPlace) async throws -> Result) async throws -> Result {
        try await home.withMetastore { home, metastore in
            let keys = try SecretSettings(try settings.read(home), home: home).keys
            return try await body(metastore, keys)
        }
    }
}

/// How much a command shows of what is secret.
struct ShowSecretsOption: ParsableArguments {
    @Flag(name: .long, help: "Show what is secret, too.") var showSecrets = false
}

/// Where an export goes: a file that only its owner can read, or, where it is asked for, standard output.
struct ExportOptions: ParsableArguments {
    @Argument(help: "The file, which only you can read; an existing one is refused.", completion: .file())
    var path: String?
    @Flag(name: .long, help: "Write to standard output, secrets and all.") var stdout = false

    func validate() throws {
        guard (path == nil) == stdout else {
            throw ValidationError("it is written to a file, FILE, or with --stdout to standard output")
        }
    }

    /// Writes the document there.
    func write(_ document: Document, _ count: Int, _ what: String) throws {
        let text = document.prettyJSON()
        guard let path else {
            try Console.shared.line(text)
            return try Console.shared.flush()
        }
        try PrivateFile.create(path, text + "\n")
        Console.shared.say("\(count) \(what)\(count == 1 ? "" : "s") written to \(path)")
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

    /// The members of the file's object, in order.
    /// - Throws: `PerchError` that never repeats the text, which holds secrets.
    func members() throws -> [(name: String, value: JSONValue)] {
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

/// What is given to a command on its standard input.
enum StandardInput {
    /// All of it.
    static func text() -> String {
        var text = ""
        while let line = readLine(strippingNewline: false) { text += line }
        return text
    }

    /// All of it, without the line break at its end.
    static func value() -> String {
        var text = text()
        if text.hasSuffix("\n") { text.removeLast() }
        return text
    }
}
