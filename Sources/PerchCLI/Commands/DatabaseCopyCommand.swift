// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchPostgres
internal import PerchSDK

struct DatabaseCopyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "copy", abstract: "Copy the metastore of a home to a PostgreSQL server, as it is.",
        discussion: """
            For a home that has outgrown its file: runs, waits, journals and all else go to a metastore that is new, in one \
            transaction; tables are made where there are none. No engine, triggerer or worker may be at work on the home. The \
            file stays as it is; start the engine with --metastore, or set metastore.url, to go on with the copy. Logs and \
            long outputs stay in the home.
            """)

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The database, as postgresql://user@host/database; the password in PGPASSWORD or ~/.pgpass.",
            valueName: "url"))
    var to: String
    @OptionGroup var home: HomeOption

    func run() async throws {
        let home = try home.resolve()
        if try home.postgres() != nil {
            throw ValidationError("the metastore of this home is not its file: leave --metastore and metastore.url out")
        }
        guard home.paths.state.hasMetastore else {
            throw PerchError(.notFound, "there is no metastore in \(home.path); name another home with --home")
        }
        let other = try Home(option: home.path, metastore: to, environment: ProcessEnvironment.current)
        guard let server = try other.postgres() else {
            throw ValidationError("--to: it is written as postgresql://user@host/database")
        }
        let metastore = try Metastore.open(postgres: server, home: home.path, access: .engine, isAlone: true)
        let tables: [CopiedTable]
        do {
            tables = try metastore.takeOverFile()
            let faults = try await metastore.check()
            if let fault = faults.first { throw PerchError(.metastore, "the copy contradicts itself: \(fault)") }
            try metastore.close()
        } catch {
            try? metastore.close()  // because the first fault is the one to tell
            throw error
        }
        for table in tables where table.rows > 0 { try Console.shared.line("\(table.name): \(table.rows)") }
        let rows = tables.map(\.rows).reduce(0, +)
        Console.shared.say(
            "\(rows) rows are copied to \(server.address.name); start the engine with --metastore, or set metastore.url"
        )
    }
}
