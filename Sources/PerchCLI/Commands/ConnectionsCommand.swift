// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK
internal import PerchVault

struct ConnectionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connections", abstract: "Show and set connections: how other systems are reached, and as whom.",
        discussion: "They are sealed with the home's key.",
        subcommands: [
            ConnectionsListCommand.self, ConnectionsGetCommand.self, ConnectionsAddCommand.self,
            ConnectionsDeleteCommand.self, ConnectionsImportCommand.self, ConnectionsExportCommand.self,
        ])
}

struct ConnectionsListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Every connection of the home, without what is secret in it.")

    @OptionGroup var options: SecretOptions
    @OptionGroup var output: FormatOption

    func run() async throws {
        let records = try await options.withKeys { metastore, keys in
            let rows = try await metastore.read { try $0.connections() }
            return ConnectionRecords.records(rows, keys)
        }
        var listing = Listing(
            output.format, columns: ["conn_id", "conn_type", "uri", "description", "updated_at", "problem"])
        try listing.add(records)
        try listing.finish(empty: "no connections")
    }
}

struct ConnectionsGetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "One connection, part by part; its secrets are shown as ***.",
        discussion:
            "It shows what the home holds. What the environment, secrets.file and secrets.command have comes first.")

    @Argument(help: "The connection's id.", completion: .connections) var connID: String
    @OptionGroup var show: ShowSecretsOption
    @OptionGroup var options: SecretOptions
    @OptionGroup var output: FormatOption

    func run() async throws {
        let (connID, showSecrets) = (connID, show.showSecrets)
        let record = try await options.withKeys { metastore, keys in
            let row = try await metastore.read { try $0.knownConnection(connID) }
            return ConnectionRecords.record(row, try ConnectionRecords.open(row, keys), showSecrets: showSecrets)
        }
        try Listing.show(record, output.format)
    }
}

struct ConnectionsAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add a connection, by its address or by its parts.",
        discussion: """
            Arguments are seen by every user of the machine while the command runs. With --stdin the address, or the JSON \
            object, is read from standard input; beside --conn-type it is the password that is read.
            """)

    @Argument(help: "The connection's id.", completion: .connections) var connID: String
    @Option(
        name: [.customLong("uri"), .customLong("conn-uri")],
        help: "Its address: postgres://user:password@host:5432/database?sslmode=require.")
    var uri: String?
    @Option(
        name: [.customLong("json"), .customLong("conn-json")],
        help: "A JSON object: conn_type, host, port, login, password, schema, extra.")
    var json: String?
    @Option(name: .customLong("conn-type"), help: "What is reached: postgres, http, smtp, ….") var type: String?
    @Option(name: [.customLong("host"), .customLong("conn-host")], help: "A name or address.") var host: String?
    @Option(name: [.customLong("port"), .customLong("conn-port")], help: "From 1 to 65535.") var port: Int?
    @Option(name: [.customLong("login"), .customLong("conn-login")], help: "As whom.") var login: String?
    @Option(
        name: [.customLong("password"), .customLong("conn-password")],
        help: "The password; better given with --stdin.")
    var password: String?
    @Option(
        name: [.customLong("schema"), .customLong("conn-schema")], help: "The database, or the first part of a path.")
    var schema: String?
    @Option(name: [.customLong("extra"), .customLong("conn-extra")], help: "What else it takes: a JSON object.")
    var extra: String?
    @Flag(name: .long, help: "Read the address, the JSON object or the password from standard input.") var stdin = false
    @Flag(name: .long, help: "Put it in the place of one of this id.") var replace = false
    @Option(name: [.customLong("description"), .customLong("conn-description")], help: "What it is for.")
    var description: String?
    @OptionGroup var options: SecretOptions

    func validate() throws {
        if let problem = StoredName.problem(connID, "the id of the connection") { throw ValidationError(problem) }
        let parts: [Any?] = [host, port, login, password, schema, extra]
        let hasParts = parts.contains { $0 != nil }
        let wholes = [uri, json].compactMap(\.self).count + (type == nil ? 0 : 1)
        guard wholes == (stdin && type == nil ? 0 : 1) else {
            throw ValidationError("it is given as one of --uri, --json, --conn-type with its parts, and --stdin")
        }
        guard type != nil || !hasParts else {
            throw ValidationError("--host, --port, --login, --password, --schema and --extra belong to --conn-type")
        }
        guard password == nil || !stdin else { throw ValidationError("the password is given twice, with --stdin") }
        if let port, !(1...65_535).contains(port) { throw ValidationError("--port is \(port); it is from 1 to 65535") }
        if let type, type.isEmpty { throw ValidationError("--conn-type is empty") }
    }

    func run() async throws {
        let connection = try connection()
        let (connID, replace, description) = (connID, replace, description)
        try await options.withKeys { metastore, keys in
            let value = try ConnectionRecords.seal(connection, connID, keys)
            try await metastore.write { transaction in
                if !replace, try transaction.connection(connID) != nil {
                    throw PerchError(
                        .conflict, "there is a connection '\(connID)' already; --replace puts this one in its place")
                }
                try transaction.setConnection(connID, type: connection.type, value, description: description)
                try transaction.auditCommand("connections add", connID)
            }
        }
        try Console.shared.line("\(connID) is added: \(connection)")
        try Console.shared.flush()
    }

    private func connection() throws -> Connection {
        guard let type else { return try Connection(parsing: uri ?? json ?? StandardInput.value()) }
        var connection = Connection(
            type: type, host: host, port: port, login: login, password: stdin ? StandardInput.value() : password,
            schema: schema)
        if let extra {
            let value: JSONValue
            do {
                value = try JSONValue(parsing: extra)
            } catch {
                throw PerchError(.invalid, "--extra is no JSON")
            }
            guard case .object(let members) = value else { throw PerchError(.invalid, "--extra is no JSON object") }
            connection.extra = members
        }
        return connection
    }
}

struct ConnectionsDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "delete", abstract: "Remove a connection.")

    @Argument(help: "The connection's id.", completion: .connections) var connID: String
    @OptionGroup var home: HomeOption

    func run() async throws {
        let connID = connID
        try await home.withMetastore { _, metastore in
            try await metastore.write { transaction in
                _ = try transaction.knownConnection(connID)
                _ = try transaction.deleteConnection(connID)
                try transaction.auditCommand("connections delete", connID)
            }
        }
        try Console.shared.line("\(connID) is deleted")
        try Console.shared.flush()
    }
}

struct ConnectionsExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write every connection as JSON, passwords and all, as `connections import` reads it.")

    @OptionGroup var export: ExportOptions
    @OptionGroup var options: SecretOptions

    func run() async throws { try await export.write(ConnectionEntry.self, options) }
}

struct ConnectionsImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Make and set connections from JSON: all of them or, where one is wrong, none.",
        discussion: #"""
            The file: {"orders": "postgres://user:password@host/database"}, an id and an address each, or an object with \#
            conn_type, host, port, login, password, schema, extra and description.
            """#)

    @OptionGroup var given: ImportOptions
    @OptionGroup var options: SecretOptions

    func run() async throws { try await given.read(ConnectionEntry.self, options) }
}
