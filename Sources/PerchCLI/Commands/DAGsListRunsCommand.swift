// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DAGsListRunsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list-runs", abstract: "Runs of a DAG, the newest logical date first.")

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Option(name: .long, help: "Only runs in this state: queued, running, success or failed.", transform: stateOption)
    var state: RunState?
    @Option(
        name: .long,
        help: "Only runs of this type: scheduled, manual, backfill, asset_triggered or event_triggered.",
        transform: runTypeOption)
    var type: RunType?
    @Option(name: .long, help: ArgumentHelp("Only logical dates from this instant on.", valueName: "instant"))
    var from: String?
    @Option(name: .long, help: ArgumentHelp("Only logical dates up to this instant.", valueName: "instant"))
    var to: String?
    @Option(name: .long, help: "At most so many.") var limit = 100
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws {
        try checkedLimit(limit)
        let (from, to) = try (from.map { try instantOption("--from", $0) }, to.map { try instantOption("--to", $0) })
        if let from, let to, from > to { throw ValidationError("--from is \(from), after --to, which is \(to)") }
    }

    func run() async throws {
        let dag = dag
        var filter = RunFilter(dagID: dag)
        filter.state = state
        filter.type = type
        filter.from = try from.map { try instantOption("--from", $0) }
        filter.to = try to.map { try instantOption("--to", $0) }
        filter.limit = limit
        let chosen = filter
        let records = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                _ = try snapshot.knownDAG(dag)
                return try snapshot.runs(chosen).map { run in
                    var record = RunRecords.summary(run)
                    let end = run.endDate ?? snapshot.now
                    record.fields.append(.init(name: "duration", value: .seconds(run.startDate.map { end - $0 })))
                    return record
                }
            }
        }
        var listing = Listing(output.format)
        try listing.add(records)
        try listing.finish(empty: "no such runs")
    }
}

/// Reads the name of a type of runs; unknown ones are answered with those that there are.
func runTypeOption(_ text: String) throws -> RunType {
    if let type = RunType(rawValue: text) { return type }
    throw ValidationError(
        "there is no run type '\(text)'; there are \(RunType.allCases.map(\.rawValue).joined(separator: ", "))")
}

/// Reads an option's instant; what is wrong with it is wrong usage.
func instantOption(_ name: String, _ text: String) throws -> Timestamp {
    do {
        return try Timestamp(parsing: text)
    } catch {
        throw ValidationError("\(name): \(error.message)")
    }
}
