// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK
internal import PerchTriggerer

struct TriggererCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "triggerer", abstract: "Watch a share of the waits; list and drain those who do.",
        subcommands: [TriggererRunCommand.self, TriggererListCommand.self, TriggererDrainCommand.self],
        defaultSubcommand: TriggererRunCommand.self)
}

struct TriggererRunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Watch a share of the waits of a home, beside its engine.",
        discussion: """
            Triggerers share the waits in proportion to their capacities. One that comes is given its share, one that ends \
            hands its waits over at once, and those of one that was killed are taken over by the others. Stops on SIGTERM \
            or SIGINT. The log goes to standard error.
            """)

    @OptionGroup var queues: QueuesOption
    @Option(name: .long, help: "How many waits it is meant for: its weight when waits are shared.") var capacity: Int?
    @OptionGroup var listen: ListenOption
    @OptionGroup var settings: SettingsOption
    @OptionGroup var home: HomeOption

    func validate() throws {
        if let capacity { try checkedLimit(capacity, "--capacity") }
    }

    func run() async throws {
        let home = try home.resolve()
        let configuration = try settings.read(home, adding: listen.assignments)
        var terms = TriggererRole.settings(configuration)
        terms.terms.queues = try queues.names()
        if let capacity { terms.terms.capacity = Int64(capacity) }
        let settings = terms
        try await RoleProcess("triggerer", home: home, configuration: configuration).run { process in
            let (role, metastore) = try TriggererRole.opened(home, configuration, settings, process.metrics)
            return RoleProcess.Opened(
                reactor: role.reactor, metastore: metastore, leased: [TriggererRow.role],
                metrics: process.metrics.text(of: role.triggerer),
                start: {
                    do {
                        try await role.start()
                    } catch {
                        await role.stop()
                        try metastore.close()
                        throw error
                    }
                    return "triggerer of \(QueuesOption.words(settings.terms.queues))"
                },
                stop: {
                    await role.stop()
                    try metastore.close()
                })
        }
    }
}

struct TriggererListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Who watches waits: their queues, shares, and how many they have.")

    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let (home, triggerers, now) = try await home.withMetastore { home, metastore in
            let (triggerers, now) = try await metastore.read { (try $0.triggerers(), $0.now) }
            return (home, triggerers, now)
        }
        let live = try LiveTriggerer.all(home)
        var listing = Listing(
            output.format,
            columns: ["triggerer", "state", "queues", "shards", "waits", "capacity", "fired", "started_at"])
        try listing.add(
            triggerers.map { row in
                let live = live[row.process.processID]
                let waits = live.map { Int64($0.waits) } ?? row.waits
                return [
                    "triggerer": .text(row.process.name),
                    "process_id": .number(row.process.processID),
                    "state": .text(row.state(at: now)),
                    "queues": .text(row.terms.queues?.joined(separator: ",") ?? "all"),
                    "shards": .number(row.shards),
                    "waits": .number(waits),
                    "capacity": .number(row.terms.capacity),
                    "capacity_left": .number(max(0, row.terms.capacity - waits)),
                    "fired": .number(live.map { Int64($0.fired) }),
                    "live": .flag(live != nil),
                    "started_at": .instant(row.process.startedAt),
                    "lease_until": .instant(row.process.leaseUntil),
                ]
            })
        try listing.finish(empty: "no triggerer is running")
    }
}

/// What triggerers say of themselves at this moment.
struct LiveTriggerer {
    var waits: Int
    var fired: Int

    /// By process of the metastore; those that do not answer are left out.
    static func all(_ home: Home) throws -> [Int64: LiveTriggerer] {
        var found: [Int64: LiveTriggerer] = [:]
        for path in home.paths.inspections() {
            guard case .document(let answer)? = try EngineLine.ask(["summary": .bool(true)], at: path) else { continue }
            let summary = answer["summary"] ?? .null
            guard case .integer(let owner)? = summary["owner"], case .object(let waits)? = summary["waits"],
                case .integer(let fired)? = summary["fired"]
            else { continue }
            let counts = waits.values.map { if case .integer(let count) = $0 { Int(count) } else { 0 } }
            found[owner] = LiveTriggerer(waits: counts.reduce(0, +), fired: Int(fired))
        }
        return found
    }
}
