// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK
internal import PerchVault

struct VariablesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "variables", abstract: "Show and set variables: texts that tasks and templates read.",
        discussion: """
            Secret ones are sealed with the home's key. A variable is secret where that is said, or where its key says so: \
            password, secret, token, api_key and the like.
            """,
        subcommands: [
            VariablesListCommand.self, VariablesGetCommand.self, VariablesSetCommand.self, VariablesDeleteCommand.self,
            VariablesImportCommand.self, VariablesExportCommand.self,
        ])
}

struct VariablesListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Every variable of the home; of secret ones no value.")

    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let rows = try await home.withMetastore { _, metastore in
            try await metastore.read { try $0.variables() }
        }
        var listing = Listing(output.format)
        try listing.add(rows.map { VariableRecords.record($0) })
        try listing.finish(empty: "no variables")
    }
}

struct VariablesGetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "One variable: its value alone, or with -o everything.",
        discussion:
            "It shows what the home holds. What the environment, secrets.file and secrets.command have comes first.")

    @Argument(help: "The variable's key.", completion: .variables) var key: String
    @OptionGroup var show: ShowSecretsOption
    @OptionGroup var options: SecretOptions
    @Option(
        name: [.customShort("o"), .customLong("output")], help: "How the answer is written: table, json, yaml or plain."
    )
    var format: OutputFormat?

    func run() async throws {
        let (key, showSecrets) = (key, show.showSecrets)
        let (row, value) = try await options.withKeys { metastore, keys in
            let row = try await metastore.read { try $0.knownVariable(key) }
            return (row, try VariableRecords.value(of: row, keys, showSecrets: showSecrets))
        }
        if let format { return try Listing.show(VariableRecords.record(row, value), format) }
        guard let value else {
            throw PerchError(.conflict, "the variable '\(key)' is secret; --show-secrets shows it")
        }
        try Console.shared.line(value)
        try Console.shared.flush()
    }
}

struct VariablesSetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Make a variable, or change it.",
        discussion: """
            Arguments are seen by every user of the machine while the command runs: give the value of a secret one on standard \
            input, with --stdin.
            """)

    @Argument(help: "The variable's key.", completion: .variables) var key: String
    @Argument(help: "Its value.") var value: String?
    @Flag(name: .long, help: "Read the value from standard input; a line break at its end is left out.")
    var stdin = false
    @Flag(name: [.customShort("j"), .long], help: "The value is JSON; what is none is refused.") var json = false
    @Flag(inversion: .prefixedNo, help: "Whether it must not be shown. Default: what its key says.") var secret: Bool?
    @Option(name: .long, help: "What it is for. Default: as it was.") var description: String?
    @OptionGroup var options: SecretOptions

    func validate() throws {
        guard (value == nil) == stdin else {
            throw ValidationError("the value is given as an argument, or with --stdin on standard input")
        }
        if let problem = StoredName.problem(key, "the key of the variable") { throw ValidationError(problem) }
    }

    func run() async throws {
        let text = value ?? StandardInput.value()
        if json {
            do {
                _ = try JSONValue(parsing: text)
            } catch {
                throw PerchError(.invalid, "the value of '\(key)' is no JSON")
            }
        }
        let entry = VariableEntry(
            key: key, value: text, isSecret: secret ?? SensitiveName.holds(key), description: description)
        try await options.withKeys { metastore, keys in
            let sealed = try entry.sealed(with: keys)
            try await metastore.write { transaction in
                try entry.store(sealed, transaction)
                try transaction.auditCommand("variables set", entry.key)
            }
        }
        try Console.shared.line("\(key) is set\(entry.isSecret ? ", sealed" : "")")
        try Console.shared.flush()
    }
}

struct VariablesDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "delete", abstract: "Remove a variable.")

    @Argument(help: "The variable's key.", completion: .variables) var key: String
    @OptionGroup var home: HomeOption

    func run() async throws {
        let key = key
        try await home.withMetastore { _, metastore in
            try await metastore.write { transaction in
                _ = try transaction.knownVariable(key)
                _ = try transaction.deleteVariable(key)
                try transaction.auditCommand("variables delete", key)
            }
        }
        try Console.shared.line("\(key) is deleted")
        try Console.shared.flush()
    }
}

struct VariablesExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write every variable as JSON, the secret ones opened, as `variables import` reads it.")

    @OptionGroup var export: ExportOptions
    @OptionGroup var options: SecretOptions

    func run() async throws { try await export.write(VariableEntry.self, options) }
}

struct VariablesImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Make and set variables from JSON: all of them or, where one is wrong, none.",
        discussion: #"""
            The file: {"region": "eu", "limits": {"rows": 5}}, a key and a text or JSON each; or, to say more of one, \#
            {"region": {"value": "eu", "description": "where we are", "is_secret": false}}.
            """#)

    @OptionGroup var given: ImportOptions
    @OptionGroup var options: SecretOptions

    func run() async throws { try await given.read(VariableEntry.self, options) }
}
