// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct PoolsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pools", abstract: "Show and set pools: how many tasks of a kind run at a time.",
        subcommands: [
            PoolsListCommand.self, PoolsGetCommand.self, PoolsSetCommand.self, PoolsDeleteCommand.self,
            PoolsImportCommand.self, PoolsExportCommand.self,
        ])
}

struct PoolsListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Every pool with its slots, and pools that tasks wait for though there is none.")

    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let (records, missing) = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                let pools = try snapshot.pools()
                let missing = try snapshot.poolsWaitedFor().filter { name, _ in !pools.contains { $0.name == name } }
                return (pools.map(PoolRecords.record), missing)
            }
        }
        var listing = Listing(output.format)
        try listing.add(records)
        try listing.finish(empty: "no pools")
        for (name, count) in missing.sorted(by: { $0.key < $1.key }) {
            Console.shared.say(
                """
                note: \(count) \(count == 1 ? "task waits" : "tasks wait") for the pool '\(name)', which does not exist; \
                `\(ProgramName.current) pools set \(name) 1` makes it
                """)
        }
    }
}

struct PoolsGetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "One pool: its slots, who holds them, which DAGs name it.")

    @Argument(help: "The pool's name.", completion: .pools) var name: String
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let name = name
        let record = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                var record = PoolRecords.record(try snapshot.knownPool(name))
                let users = try snapshot.users(ofPool: name)
                record.fields += [
                    .init(name: "holders", value: .list(try snapshot.poolHolders(name, limit: 20).map(Self.holder))),
                    .init(name: "dags", value: .list(users.map { .text($0.dagID) })),
                ]
                return record
            }
        }
        try Listing.show(record, output.format)
    }

    private static func holder(_ holder: PoolHolder) -> Document {
        .record([
            "dag_id": .text(holder.key.dagID), "run_id": .text(holder.key.runID), "task_id": .text(holder.key.taskID),
            "map_index": .number(holder.key.mapIndex), "state": .text(holder.state.rawValue),
            "slots": .number(holder.slots),
        ])
    }
}

struct PoolsSetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Make a pool, or change its slots.",
        discussion: """
            What waits for a pool goes on when it is made or grows. One that shrinks takes nothing away from what runs: it \
            gives out no more until enough came back.

            Tasks that wait hold no slot. With --include-deferred they do: a sensor takes its slots while it waits, and a task             keeps them when it defers. --max-deferred bounds how many sensors and tasks that begin with a wait may wait at a time;             the others wait for room, unwatched. Both are for waits that begin after this. Code that defers in the middle is never             held up.
            """)

    @Argument(help: "The pool's name.", completion: .pools) var name: String
    @Argument(help: "How many slots it has, from 0.") var slots: Int
    @Option(name: .long, help: "What it is for. Default: as it was.") var description: String?
    @Flag(inversion: .prefixedNo, help: "Whether tasks that wait hold slots. Default: as it was, at first not.")
    var includeDeferred: Bool?
    @Option(name: .long, help: "How many of its tasks may wait at a time, or none for any number. Default: as it was.")
    var maxDeferred: String?
    @OptionGroup var home: HomeOption

    func validate() throws {
        guard slots >= 0 else { throw ValidationError("a pool has 0 slots or more, not \(slots)") }
        if let problem = PoolRecords.problem(ofName: name) { throw ValidationError(problem) }
        _ = try most()
    }

    private func most() throws -> PoolRow.MostDeferred? {
        guard let maxDeferred else { return nil }
        if maxDeferred == "none" { return .unlimited }
        guard let count = Int(maxDeferred), count >= 0 else {
            throw ValidationError("--max-deferred is a number from 0, or none, not '\(maxDeferred)'")
        }
        return .at(count)
    }

    func run() async throws {
        let (name, slots, description) = (name, slots, description)
        let (includeDeferred, most) = (includeDeferred, try most())
        try await home.withMetastore { home, metastore in
            let waiting = try await metastore.write { transaction in
                try transaction.setPool(
                    name, slots: slots, description: description, includeDeferred: includeDeferred, maxDeferred: most)
                try transaction.auditCommand("pools set", name, ["slots": .integer(Int64(slots))])
                return try transaction.poolsWaitedFor()[name] ?? 0
            }
            try Console.shared.line("\(name) has \(slots) \(slots == 1 ? "slot" : "slots")")
            try Console.shared.flush()
            if waiting > 0 { try home.noteMissingEngine("what waits for the pool goes on once one is started") }
        }
    }
}

struct PoolsDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Remove a pool that nobody uses.")

    @Argument(help: "The pool's name.", completion: .pools) var name: String
    @OptionGroup var home: HomeOption

    func run() async throws {
        let name = name
        try await home.withMetastore { _, metastore in
            try await metastore.write { transaction in
                _ = try transaction.knownPool(name)
                try transaction.deletePool(name)
                try transaction.auditCommand("pools delete", name)
            }
            try Console.shared.line("\(name) is deleted")
            try Console.shared.flush()
        }
    }
}

struct PoolsExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write every pool as JSON, as `pools import` reads it.")

    @Argument(help: "The file; an existing one is refused. Default, and -: standard output.", completion: .file())
    var path: String?
    @OptionGroup var home: HomeOption

    func run() async throws {
        try RemoteOrigin.refuseFile(path)
        let pools = try await home.withMetastore { _, metastore in try await metastore.read { try $0.pools() } }
        var record: Record = [:]
        record.fields = pools.map {
            Record.Field(
                name: $0.name,
                value: .record([
                    "slots": .number($0.slots), "description": .text($0.description),
                    "include_deferred": .flag($0.includesDeferred),
                    "max_deferred": $0.maxDeferred.map { .number($0) } ?? .value(.null),
                ]))
        }
        let text = Document.record(record).prettyJSON()
        if let path, path != "-" {
            try TextFile.create(path, text + "\n")
            Console.shared.say("\(pools.count) \(pools.count == 1 ? "pool" : "pools") written to \(path)")
        } else {
            try Console.shared.line(text)
            try Console.shared.flush()
        }
    }
}

struct PoolsImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Make and set pools from JSON: all of them or, where one is wrong, none.",
        discussion: #"""
            The file: {"gpu": {"slots": 4, "description": "cards"}}, with "include_deferred": true and "max_deferred": 10 where \#
            they are wanted. Pools that it does not name stay, and so does what it does not say of one.
            """#)

    @Argument(help: "The file; - is standard input.", completion: .file()) var path: String
    @OptionGroup var home: HomeOption

    func run() async throws {
        try RemoteOrigin.refuseFile(path)
        let text: String
        if path == "-" {
            text = StandardInput.text()
        } else if let found = try TextFile.readIfPresent(path) {
            text = found
        } else {
            throw PerchError(.notFound, "there is no file \(path)")
        }
        let pools = try Self.pools(text, of: path == "-" ? "standard input" : path)
        try await home.withMetastore { _, metastore in
            try await metastore.write { transaction in
                for pool in pools {
                    try transaction.setPool(
                        pool.name, slots: pool.slots, description: pool.description,
                        includeDeferred: pool.includeDeferred, maxDeferred: pool.maxDeferred)
                }
            }
        }
        try Console.shared.line("\(pools.count) \(pools.count == 1 ? "pool" : "pools") set")
        try Console.shared.flush()
    }

    /// A pool as a file has it; nil is what it does not say.
    struct Entry: Equatable {
        var name: String
        var slots: Int
        var description: String?
        var includeDeferred: Bool?
        var maxDeferred: PoolRow.MostDeferred?
    }

    static func pools(_ text: String, of file: String) throws -> [Entry] {
        func fault(_ what: String) -> PerchError {
            PerchError(.invalid, #"\#(file): \#(what); pools are {"gpu": {"slots": 4, "description": "…"}}"#)
        }
        let document: JSONValue
        do {
            document = try JSONValue(parsing: text)
        } catch let error as PerchError {
            throw PerchError(.invalid, "\(file): \(error.message)")
        }
        guard case .object(let members) = document else { throw fault("it is no JSON object") }
        return try members.sorted { $0.key < $1.key }.map { name, value in
            if let problem = PoolRecords.problem(ofName: name) { throw fault(problem) }
            guard case .object(let fields) = value else { throw fault("the pool '\(name)' is no object") }
            let known = ["slots", "description", "include_deferred", "max_deferred"]
            if let unknown = fields.keys.sorted().first(where: { !known.contains($0) }) {
                throw fault("the pool '\(name)' has no field '\(unknown)'")
            }
            guard case .integer(let slots)? = fields["slots"], (0...1_000_000_000).contains(slots) else {
                throw fault("'slots' of the pool '\(name)' is no number from 0")
            }
            var entry = Entry(name: name, slots: Int(slots))
            switch fields["description"] {
            case nil, .null?: break
            case .string(let text)?: entry.description = text
            default: throw fault("'description' of the pool '\(name)' is no text")
            }
            switch fields["include_deferred"] {
            case nil, .null?: break
            case .bool(let flag)?: entry.includeDeferred = flag
            default: throw fault("'include_deferred' of the pool '\(name)' is true or false")
            }
            switch fields["max_deferred"] {
            case nil: break
            case .null?: entry.maxDeferred = .unlimited
            case .integer(let count)? where (0...1_000_000_000).contains(count): entry.maxDeferred = .at(Int(count))
            default: throw fault("'max_deferred' of the pool '\(name)' is a number from 0, or null for any number")
            }
            return entry
        }
    }
}

/// Pools as commands show them.
enum PoolRecords {
    static func record(_ pool: PoolRow) -> Record {
        [
            "name": .text(pool.name), "slots": .number(pool.slots), "used": .number(pool.used),
            "free": .number(pool.free), "running": .number(pool.running), "queued": .number(pool.queued),
            "deferred": .number(pool.deferred), "waiting": .number(pool.waiting),
            "include_deferred": .flag(pool.includesDeferred),
            "max_deferred": pool.maxDeferred.map { .number($0) } ?? .value(.null),
            "description": .text(pool.description),
        ]
    }

    static func problem(ofName name: String) -> String? {
        if name.isEmpty { return "the name of the pool is empty" }
        return TaskDefinition.problem(ofPool: name)
    }
}

extension Snapshot {
    /// A pool that is there.
    func knownPool(_ name: String) throws -> PoolRow {
        if let pool = try pool(name) { return pool }
        throw PerchError(.notFound, "there is no pool '\(name)'; \(NearName.hint(name, try pools().map(\.name)))")
    }
}
