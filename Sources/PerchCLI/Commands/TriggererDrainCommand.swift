// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct TriggererDrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Have a triggerer hand its waits over to the others, and take no more.",
        discussion: """
            Returns when it holds none any more. No wait is ended by it, and nothing that runs elsewhere. The triggerer \
            stays, without waits; it can be stopped then, or be given its share again with --undo.
            """)

    @Argument(help: "The triggerer as `triggerer list` shows it, host:pid, or its process id.") var triggerer: String
    @Flag(help: "Let it take its share again.") var undo = false
    @Flag(help: "Even where nobody else watches the waits of its queues.") var force = false
    @Option(name: .long, help: ArgumentHelp("How long to wait for it.", valueName: "span")) var timeout = "30s"
    @OptionGroup var home: HomeOption

    func validate() throws { _ = try TimeSpan.option("--timeout", timeout) }

    func run() async throws {
        let patience = try TimeSpan.option("--timeout", timeout)
        let isDone = try await home.withMetastore { home, metastore in
            let (row, began) = try await tell(metastore)
            guard !undo else { return "\(row.process.name) takes its share again" }
            let changes = try ChangeWatch(paths: [home.paths.database + "-wal"])
            while true {
                let (left, now) = try await metastore.read { snapshot in
                    (try snapshot.triggerers().first { $0.process.processID == row.process.processID }, snapshot.now)
                }
                guard let left, left.shards > 0 else {
                    let took = (now - began).microseconds / 1_000
                    return "\(row.process.name) handed \(row.shards) shards over in \(took) ms"
                }
                guard now - began < patience else { throw Self.tooSlow(left, patience) }
                changes.wait()
            }
        }
        try Console.shared.line(isDone)
        try Console.shared.flush()
    }

    /// Tells it, and gives it as it was then.
    private func tell(_ metastore: Metastore) async throws -> (row: TriggererRow, at: Timestamp) {
        let (triggerer, undo, force) = (triggerer, undo, force)
        return try await metastore.write { transaction in
            let row = try transaction.triggerer(named: triggerer)
            if !undo, !force { try transaction.checkOthersServe(row) }
            guard try transaction.drainTriggerer(row.process.processID, isDraining: !undo) else {
                throw PerchError(.notFound, "triggerer \(row.process.name) has ended")
            }
            return (row, transaction.now)
        }
    }

    private static func tooSlow(_ row: TriggererRow, _ patience: TimeSpan) -> PerchError {
        PerchError(
            .unavailable,
            "\(row.process.name) still holds \(row.shards) shards after \(patience); it hands them over as soon as it "
                + "looks, or loses them when its lease ends")
    }
}

extension Snapshot {
    /// - Throws: `notFound` with the names of those that there are.
    fileprivate func triggerer(named name: String) throws -> TriggererRow {
        let all = try triggerers()
        let found = all.filter { row in
            [row.process.name, String(row.process.pid), String(row.process.processID)].contains(name)
        }
        guard let row = found.first else {
            let known = all.map(\.process.name).joined(separator: ", ")
            throw PerchError(
                .notFound,
                "there is no triggerer '\(name.shown())'; \(all.isEmpty ? "none is running" : "there are \(known)")")
        }
        return row
    }

    /// - Throws: `conflict` where nobody else watches the waits of a queue.
    fileprivate func checkOthersServe(_ row: TriggererRow) throws {
        let others = try triggerers().filter {
            $0.process.processID != row.process.processID && !$0.isDraining && $0.process.leaseUntil > now
        }
        for queue in try waitQueues() where row.terms.serves(queue) {
            guard !others.contains(where: { $0.terms.serves(queue) }) else { continue }
            throw PerchError(
                .conflict,
                "no other triggerer serves the queue '\(queue)': nobody would watch its waits. Start another one, or say "
                    + "--force")
        }
    }
}
