// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DAGsStateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "state", abstract: "The state of a run, on a line: of one by its id or date, else of the newest.")

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Argument(help: "The run's id, or its logical date. Default: the newest run.", completion: .runs) var run: String?
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let (dag, run) = (dag, run)
        let row = try await home.withMetastore { _, metastore in
            try await metastore.read { try Self.find($0, dag, run) }
        }
        guard output.format == .table else { return try Listing.show(RunRecords.summary(row), output.format) }
        try Console.shared.line(row.state.rawValue)
        try Console.shared.flush()
    }

    private static func find(_ snapshot: Snapshot, _ dag: String, _ run: String?) throws -> RunRow {
        _ = try snapshot.knownDAG(dag)
        guard let run else {
            var filter = RunFilter(dagID: dag)
            filter.limit = 1
            guard let newest = try snapshot.runs(filter).first else {
                throw PerchError(
                    .notFound, "DAG '\(dag)' has no run; `\(ProgramName.current) dags trigger \(dag)` starts one")
            }
            return newest
        }
        if try snapshot.run(dagID: dag, runID: run) == nil,
            let date = try? Timestamp(parsing: run)  // because a run's id need not be a date
        {
            var filter = RunFilter(dagID: dag)
            (filter.from, filter.to, filter.limit) = (date, date, 1)
            if let found = try snapshot.runs(filter).first { return found }
            throw PerchError(.notFound, "DAG '\(dag)' has no run of the logical date \(date)")
        }
        return try snapshot.knownRun(dag, run)
    }
}
