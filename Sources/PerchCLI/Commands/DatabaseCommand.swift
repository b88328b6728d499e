// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchPostgres
internal import PerchSDK

struct DatabaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "db", abstract: "Migrate, check, clean and back up the metastore.",
        subcommands: [
            DatabaseMigrateCommand.self, DatabaseCheckCommand.self, DatabaseCleanCommand.self,
            DatabaseBackupCommand.self, DatabaseCopyCommand.self,
        ])
}

struct DatabaseMigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "Create the metastore, or bring it to this version's schema.",
        discussion: """
            A schema is only led forward. Make a copy before (`db backup`, or `pg_dump` of a metastore on PostgreSQL): it is \
            the way back. With --to it is led to an earlier schema than this program's, which a program of that time then \
            works on; this one does not.
            """)

    @Option(
        name: .long, help: ArgumentHelp("The schema to stop at. Default: this program's.", valueName: "version"))
    var to: Int?
    @OptionGroup var home: HomeOption

    func validate() throws {
        guard let to, !(1...Metastore.schemaVersion).contains(to) else { return }
        throw ValidationError("--to is \(to); this program knows the schemas 1 to \(Metastore.schemaVersion)")
    }

    func run() async throws {
        let home = try home.resolve()
        let server = try home.postgres()
        let name = server?.address.name ?? home.paths.database
        let (from, reached) =
            if let server {
                try Metastore.migrate(postgres: server, to: to)
            } else {
                try Metastore.migrate(home: home.path, clock: SystemClock(), to: to)
            }
        let line =
            switch from {
            case reached: "\(name) has schema \(reached) already"
            case 0: "\(name) is created with schema \(reached)"
            default: "\(name) is migrated from schema \(from) to \(reached)"
            }
        try Console.shared.line(line)
        if reached < Metastore.schemaVersion {
            Console.shared.say("note: this program needs schema \(Metastore.schemaVersion), and does not work on it")
        }
    }
}

struct DatabaseCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Look for damage and for rows that contradict each other.")

    @OptionGroup var home: HomeOption

    func run() async throws {
        try await home.withMetastore { _, metastore in
            let faults = try await metastore.check()
            for fault in faults { try Console.shared.line(fault) }
            guard faults.isEmpty else {
                try Console.shared.flush()
                throw PerchError(
                    .metastore, "the metastore has \(faults.count == 1 ? "a fault" : "\(faults.count) faults")")
            }
            try Console.shared.line("the metastore is sound")
        }
    }
}

struct DatabaseBackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Write a consistent copy of the metastore and of long outputs, also while the engine runs.",
        discussion: """
            FILE is the metastore. Outputs that are too long for it lie in FILE.outputs, where there are any. To restore, make a \
            directory with FILE as 'perch.db' and FILE.outputs as 'outputs', add 'config.json' and 'secret.key' if you had \
            them, and give it as --home.
            """)

    @Argument(help: "The new file; an existing one is refused.", completion: .file()) var path: String
    @OptionGroup var home: HomeOption

    func run() async throws {
        let path = path
        guard !path.isEmpty else { throw ValidationError("the path of the copy is empty") }
        try await home.withMetastore { home, metastore in
            let outputs = try OutputsBackup(of: home.paths.outputs, besides: path)
            do {
                try outputs.proceed()
                try await metastore.backup(to: path) {
                    try outputs.proceed()
                    try outputs.finish()
                }
            } catch {
                try outputs.takeBack()
                throw error
            }
            try Console.shared.line(path)
            if outputs.count > 0 { try Console.shared.line(outputs.path) }
            let files = outputs.count == 1 ? "1 file" : "\(outputs.count) files"
            Console.shared.say(
                outputs.count == 0
                    ? "the metastore; there are no long outputs"
                    : "the metastore, and long outputs, \(files) of \(outputs.bytes) bytes; 'db backup --help' says how to restore"
            )
        }
    }
}
