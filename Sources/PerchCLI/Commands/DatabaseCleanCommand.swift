// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DatabaseCleanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clean", abstract: "Remove old finished runs and old events, also while the engine runs.",
        discussion: """
            Never removed: runs that have not ended, waits, and events that a wait, an unfinished run or a DAG that events \
            start may still look at. With --dag or --keep-last only runs are removed. Who has changed what stays, for as long as \
            retention.audit_days says, unless --audit asks for it, too; that it was removed is recorded. Small transactions: the engine goes on \
            between them, and what was removed when the command is stopped stays removed.
            """)

    @Option(
        name: .long,
        help: ArgumentHelp(
            "What ended, or came, before this instant; or longer ago than this span, as 30d.", valueName: "when"))
    var before: String
    @Option(name: .long, help: "Only runs of this DAG.", completion: .dags) var dag: String?
    @Option(name: .long, help: "Of each DAG keep so many of the newest runs.") var keepLast: Int?
    @Flag(name: .long, help: "Also entries of the audit log.") var audit = false
    @Flag(name: .long, help: "Say what would be removed, and leave it as it is.") var dryRun = false
    @Flag(name: .customShort("y"), help: "Do not ask.") var yes = false
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    private static let limit = 1_000

    func validate() throws {
        _ = try instant(from: SystemClock().now)
        if let keepLast { try checkedLimit(keepLast, "--keep-last") }
        guard !audit || (dag == nil && keepLast == nil) else {
            throw ValidationError("--audit: with --dag and --keep-last only runs are removed")
        }
    }

    private func instant(from now: Timestamp) throws -> Timestamp {
        if let instant = try? Timestamp(parsing: before) { return instant }  // because it may be a span as well
        if before.contains("-"), !before.hasPrefix("-") { return try instantOption("--before", before) }
        return now + TimeSpan(microseconds: -(try TimeSpan.option("--before", before).microseconds))
    }

    /// What is found, or done.
    private struct Account {
        var runs = 0
        var events = 0
        var auditEntries = 0
        /// Old events that something may still need.
        var keptEvents = 0

        /// What there is to be removed.
        var count: Int { runs + events + auditEntries }
    }

    func run() async throws {
        let account = try await home.withMetastore { _, metastore in
            let (requests, found) = try await find(metastore)
            if dryRun || found.count == 0 { return found }
            let entries = audit ? ", \(found.auditEntries) entries of the audit log" : ""
            try Confirmation.ask(
                "Remove \(found.runs) runs\(entries) and \(found.events) events from before \(before)?", isGiven: yes,
                "nothing was removed")
            let (isOfAudit, bound) = (audit, before)
            if isOfAudit {
                try await metastore.write {
                    try $0.auditCommand("db clean", "audit log", ["before": .string(bound)])
                }
            }
            var done = Account(keptEvents: found.keptEvents)
            var progress = ProgressBar("cleaning", of: found.count)
            defer { progress.finish() }
            for request in requests {
                var isMore = true
                while isMore {
                    let step = try await metastore.write { try $0.clean(request, limit: Self.limit) }
                    done.runs += step.runs
                    done.events += step.events
                    done.auditEntries += step.auditEntries
                    progress.advance(by: step.runs + step.events + step.auditEntries)
                    isMore = step.isMore
                }
            }
            return done
        }
        var record: Record = [
            "runs": .number(account.runs), "events": .number(account.events),
            "events_kept": .number(account.keptEvents), "dry_run": .flag(dryRun),
        ]
        if audit { record.fields.append(.init(name: "audit_entries", value: .number(account.auditEntries))) }
        try Listing.show(record, output.format)
        if account.keptEvents > 0 {
            Console.shared.say(
                "note: \(account.keptEvents) old events stay: waits, unfinished runs or gathering DAGs may need them")
        }
    }

    /// The parts of the work, and how much there is.
    private func find(_ metastore: Metastore) async throws -> ([CleaningRequest], Account) {
        let (dag, keepLast, audit) = (dag, keepLast, audit)
        let instant = try instant(from: metastore.clock.now)
        return try await metastore.read { snapshot in
            var requests: [CleaningRequest] = []
            if dag != nil || keepLast != nil {
                let dags = try dag.map { [try snapshot.knownDAG($0)] } ?? snapshot.dags()
                for row in dags {
                    var request = CleaningRequest(runsBefore: instant, dagID: row.dagID)
                    if let keepLast {
                        // Fewer runs than are kept: none goes.
                        request.beforeRunKey = try snapshot.runKey(ofNewest: keepLast, dagID: row.dagID) ?? .min
                    }
                    requests.append(request)
                }
            } else {
                var request = CleaningRequest(runsBefore: instant, eventsBefore: instant)
                request.upToEvent = try snapshot.lastNeedlessEvent()
                if audit { request.auditBefore = instant }
                requests.append(request)
            }
            var account = Account()
            for request in requests {
                let found = try snapshot.cleanable(request)
                account.runs += found.runs
                account.events += found.events
                if let instant = request.auditBefore {
                    account.auditEntries += try snapshot.auditEntries(before: instant)
                }
                guard request.eventsBefore != nil else { continue }
                let all = try snapshot.cleanable(CleaningRequest(eventsBefore: instant)).events
                account.keptEvents = all - found.events
            }
            return (requests.filter { $0.beforeRunKey > .min }, account)
        }
    }
}
