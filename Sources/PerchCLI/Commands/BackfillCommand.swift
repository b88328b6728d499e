// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct BackfillCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backfill", abstract: "Run a DAG for dates of the past.",
        subcommands: [
            BackfillCreateCommand.self, BackfillListCommand.self, BackfillShowCommand.self, BackfillPauseCommand.self,
            BackfillUnpauseCommand.self, BackfillCancelCommand.self,
        ])
}

struct BackfillCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Create runs for the dates of a DAG's schedule in a time. Prints the backfill's id.",
        discussion: """
            The schedule's dates from --from to --to get runs of type backfill, --max-active-runs at a time, beside the \
            DAG's other runs and not counted among them. A date is a day on the clock of the schedule's time zone, the \
            last one whole; or give instants (RFC 3339). What has a run already is left alone, or with --reprocess \
            cleared and run again: runs that failed, or all that have ended.
            """)

    @Argument(help: "The DAG's id.") var dag: String
    @Option(name: .customLong("from"), help: "The first date.") var from: String
    @Option(name: .customLong("to"), help: "The last date; it lies in the past.") var to: String
    @Option(
        name: .long, help: "Dates that have a run already: none, failed or completed ones run again.",
        transform: Self.reprocessOption)
    var reprocess = BackfillReprocess.none
    @Option(name: .long, help: "How many of its runs are under way at a time.") var maxActiveRuns = 10
    @Option(name: .long, help: ArgumentHelp("Values over the DAG's default params: a JSON object.", valueName: "json"))
    var params: String?
    @Flag(name: .long, help: "From the last date to the first.") var reverse = false
    @Flag(name: .long, help: "Show what would be done with each date, and do nothing.") var dryRun = false
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    private static func reprocessOption(_ text: String) throws -> BackfillReprocess {
        if let reprocess = BackfillReprocess(rawValue: text) { return reprocess }
        let names = BackfillReprocess.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("--reprocess is '\(text)'; there are \(names)")
    }

    func validate() throws { try checkedLimit(maxActiveRuns, "--max-active-runs") }

    func run() async throws {
        let params = try params.map { try JSONValue.option("--params", $0) } ?? .object([:])
        guard case .object = params else { throw ValidationError("--params is no JSON object") }
        try await home.withMetastore { home, metastore in
            let (row, definition, request) = try await metastore.read { snapshot in
                let row = try snapshot.knownDAG(dag)
                let definition = try snapshot.definition(ofVersion: row.versionID)
                let zone = definition.schedule.timeZone
                let span: (from: Timestamp, to: Timestamp)
                do {
                    span = try BackfillRequest.span(from: from, to: to, zone: zone, now: snapshot.now) { "--\($0)" }
                } catch let error as PerchError {
                    throw ValidationError(error.message)
                }
                var request = BackfillRequest(dagID: dag, from: span.from, to: span.to)
                request.isReverse = reverse
                request.reprocess = reprocess
                request.maxActiveRuns = maxActiveRuns
                request.params = params
                return (row, definition, request)
            }
            try await TimetableQuestions.requireTicks(
                of: dag, from: request.from, to: request.to, definition, metastore)
            if dryRun {
                let plan = try await metastore.read { try $0.plan(request) }
                var listing = Listing(output.format)
                try listing.add(plan.map(BackfillRecords.date))
                return try listing.finish(empty: "no dates")
            }
            let backfill = try await metastore.write { try $0.createBackfill(request, by: Person.name) }
            try Console.shared.line("\(backfill.backfillID)")
            try Console.shared.flush()
            if row.isPaused {
                Console.shared.say(
                    "note: \(dag) is paused; the backfill begins after `\(ProgramName.current) dags unpause \(dag)`")
            }
            try home.noteMissingEngine("the backfill begins once one is started")
        }
    }
}

struct BackfillListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Backfills with their progress, the newest first.")

    @Argument(help: "Only those of this DAG.") var dag: String?
    @Flag(name: .long, help: "Only those that are not completed.") var open = false
    @Option(name: .long, help: "At most so many.") var limit = 100
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws { try checkedLimit(limit) }

    func run() async throws {
        let records = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                if let dag { _ = try snapshot.knownDAG(dag) }
                return try snapshot.backfills(dagID: dag, onlyOpen: open, limit: limit).map(BackfillRecords.summary)
            }
        }
        var listing = Listing(output.format)
        try listing.add(records)
        try listing.finish(empty: "no backfills")
    }
}

struct BackfillShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "One backfill in full.")

    @Argument(help: "The backfill's id.") var id: Int64
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let row = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                guard let row = try snapshot.backfill(id) else {
                    throw PerchError(.notFound, "there is no backfill \(id)")
                }
                return row
            }
        }
        try Listing.show(BackfillRecords.details(row), output.format)
    }
}

struct BackfillPauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Create no more runs for now; those that there are go on.")

    @Argument(help: "The backfill's id.") var id: Int64
    @OptionGroup var home: HomeOption

    func run() async throws {
        let row = try await home.change { try $0.setBackfillPaused(id, true) }
        try Console.shared.line("the backfill \(id) of \(row.dagID) is paused at \(BackfillRecords.progress(row))")
    }
}

struct BackfillUnpauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "unpause", abstract: "Let a backfill go on.")

    @Argument(help: "The backfill's id.") var id: Int64
    @OptionGroup var home: HomeOption

    func run() async throws {
        let row = try await home.change { try $0.setBackfillPaused(id, false) }
        try Console.shared.line("the backfill \(id) of \(row.dagID) goes on at \(BackfillRecords.progress(row))")
    }
}

struct BackfillCancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "End a backfill: no more runs, those that have not begun are cancelled, those under way go on.")

    @Argument(help: "The backfill's id.") var id: Int64
    @OptionGroup var home: HomeOption

    func run() async throws {
        let row = try await home.change { try $0.cancelBackfill(id, by: Person.name) }
        let rest = row.unfinished > 0 ? "; \(row.unfinished) of its runs are under way still" : ""
        try Console.shared.line(
            "the backfill \(id) of \(row.dagID) is cancelled at \(BackfillRecords.progress(row))\(rest)")
    }
}

extension HomeOption {
    /// One change of the metastore.
    fileprivate func change<Result: Sendable>(
        _ body: @escaping @Sendable (Transaction) throws -> Result
    ) async throws -> Result {
        try await withMetastore { _, metastore in try await metastore.write(body) }
    }
}

/// Backfills as commands show them.
private enum BackfillRecords {
    static func progress(_ row: BackfillRow) -> String {
        "\(row.done)/\(row.dates) (\(row.done * 100 / max(1, row.dates)) %)"
    }

    static func summary(_ row: BackfillRow) -> Record {
        [
            "backfill_id": .number(row.backfillID),
            "dag_id": .text(row.dagID),
            "state": .text(row.state.rawValue),
            "progress": .text(progress(row)),
            "active_runs": .number(row.unfinished),
            "from_date": .instant(row.from),
            "to_date": .instant(row.to),
            "created_at": .instant(row.createdAt),
            "completed_at": .instant(row.completedAt),
        ]
    }

    static func details(_ row: BackfillRow) -> Record {
        [
            "backfill_id": .number(row.backfillID),
            "dag_id": .text(row.dagID),
            "state": .text(row.state.rawValue),
            "from_date": .instant(row.from),
            "to_date": .instant(row.to),
            "is_reverse": .flag(row.isReverse),
            "reprocess": .text(row.reprocess.rawValue),
            "max_active_runs": .number(row.maxActiveRuns),
            "params": .value(row.params),
            "dates": .number(row.dates),
            "done": .number(row.done),
            "created": .number(row.created),
            "cleared": .number(row.cleared),
            "skipped": .number(row.skipped),
            "active_runs": .number(row.unfinished),
            "next_date": .instant(row.nextDate),
            "created_by": .text(row.createdBy),
            "created_at": .instant(row.createdAt),
            "cancelled_by": .text(row.cancelledBy),
            "completed_at": .instant(row.completedAt),
        ]
    }

    static func date(_ date: BackfillDate) -> Record {
        [
            "logical_date": .instant(date.logicalDate),
            "action": .text(date.action.rawValue),
            "run_id": .text(date.run?.runID),
            "state": .text(date.run?.state.rawValue),
        ]
    }
}
