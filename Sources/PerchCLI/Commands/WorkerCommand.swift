// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct WorkerCommand<Bundle: DAGBundle>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "worker", abstract: "Run tasks beside a scheduler; list those who do.",
            subcommands: [WorkerRunCommand<Bundle>.self, WorkerListCommand.self],
            defaultSubcommand: WorkerRunCommand<Bundle>.self)
    }
}

struct WorkerRunCommand<Bundle: DAGBundle>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "run", abstract: "Take tasks from the queue of a home, and run them in a bundle of its own.",
            discussion: """
                Workers share the queue: each takes as many tasks as it has free slots. What one held that was killed is \
                queued again by the others, without costing a retry. Stops on SIGTERM or SIGINT: what runs may end by \
                itself for ten seconds, the rest is queued again at once. The log goes to standard error.
                """)
    }

    @OptionGroup var bundle: BundleOption
    @OptionGroup var queues: QueuesOption
    @Option(name: .long, help: "How many tasks run at once. Default: core.parallelism.") var slots: Int?
    @OptionGroup var processes: ProcessesOption
    @OptionGroup var listen: ListenOption
    @OptionGroup var settings: SettingsOption
    @OptionGroup var home: HomeOption
    @OptionGroup var folder: DAGFolderOption

    func validate() throws {
        if let slots { try checkedLimit(slots, "--slots") }
    }

    func run() async throws {
        let home = try home.resolve()
        let configuration = try settings.read(
            home, adding: folder.assignments + listen.assignments + processes.assignments)
        let own = BundlePlace(bundle.bundle, in: home, configuration)
        guard own.isThere else {
            throw PerchError(
                .notFound,
                "there is nothing of the bundle '\(own.name)' in \(home.path): `bundles deploy PATH --bundle \(own.name)` puts it "
                    + "there, or \(own.setting("executable")) names it")
        }
        let place = try own.isDefault ? DAGFolderPlace.of(Bundle.self, home, configuration) : nil
        let slots = slots ?? Int(own.settings.number("core.parallelism") ?? 32)
        let terms = WorkerTerms(queues: try queues.names(), slots: slots, bundle: own.name)
        try await RoleProcess("worker", home: home, configuration: configuration).run { process in
            let metrics = process.metrics
            let role = try WorkerRole(
                home: home, configuration: configuration, terms: terms, metrics: metrics, dags: place)
            return RoleProcess.Opened(
                reactor: role.reactor, metastore: role.metastore, leased: [WorkerRow.role],
                metrics: { await metrics.text() },
                start: {
                    let dags = try await role.start()
                    let of = own.isDefault ? "" : " of the bundle \(own.name)"
                    return "worker of \(QueuesOption.words(terms.queues))\(of), \(slots) slots, \(dags) DAGs"
                }, stop: role.stop)
        }
    }
}

struct WorkerListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Who runs tasks: their queues, slots, and how many they run.")

    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let (workers, now) = try await home.withMetastore { _, metastore in
            try await metastore.read { (try $0.workers(), $0.now) }
        }
        var listing = Listing(
            output.format, columns: ["worker", "state", "bundle", "queues", "slots", "running", "started_at"])
        try listing.add(
            workers.map { row in
                [
                    "worker": .text(row.process.name),
                    "process_id": .number(row.process.processID),
                    "state": .text(row.process.state(at: now)),
                    "bundle": .text(row.terms.bundle),
                    "trouble": .text(row.trouble?.words),
                    "queues": .text(row.terms.queues?.joined(separator: ",") ?? "all"),
                    "slots": .number(row.terms.slots),
                    "running": .number(row.running),
                    "started_at": .instant(row.process.startedAt),
                    "lease_until": .instant(row.process.leaseUntil),
                ]
            })
        try listing.finish(empty: "no worker is running")
    }
}

extension ProcessRow {
    /// `active`, or `dead` where it has certainly ended, or its lease has. A bundle lives as long as its process does.
    func state(at now: Timestamp) -> String {
        let isOverdue = role != "bundle" && leaseUntil <= now
        return isOverdue || SystemProcesses().hasEnded(self) ? "dead" : "active"
    }
}
