// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DAGsReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "For each DAG: how many runs, how they ended, how long they took and waited.",
        discussion: """
            Durations are in seconds: from the start of a run to its end, of runs that have ended; p50 is what half of them \
            stayed below, p95 what 95 in 100 did. mean_wait is how long runs were queued before they started.
            """)

    @Argument(help: "Only this DAG.", completion: .dags) var dag: String?
    @Option(name: .long, help: ArgumentHelp("Only runs that were created within this span.", valueName: "span"))
    var within: String?
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws { _ = try within.map { try TimeSpan.option("--within", $0) } }

    func run() async throws {
        let (dag, within) = (dag, try within.map { try TimeSpan.option("--within", $0) })
        let records = try await home.withMetastore { _, metastore in
            let dags = try await metastore.read { snapshot in
                if let dag { return [try snapshot.knownDAG(dag)] }
                return try snapshot.dags()
            }
            var records: [Record] = []
            var progress = ProgressBar("report", of: dags.count)
            for row in dags {
                // Each in a snapshot of its own: none is held for long.
                let report = try await metastore.read { snapshot in
                    let since = within.map { snapshot.now + TimeSpan(microseconds: -$0.microseconds) }
                    return try snapshot.runReport(dagID: row.dagID, since: since)
                }
                records.append(Self.record(report))
                progress.advance()
            }
            progress.finish()
            return records
        }
        var listing = Listing(output.format)
        try listing.add(records)
        try listing.finish(empty: "no DAGs")
    }

    private static func record(_ report: RunReportRow) -> Record {
        [
            "dag_id": .text(report.dagID), "runs": .number(report.runs), "queued": .number(report.queued),
            "running": .number(report.running), "success": .number(report.success), "failed": .number(report.failed),
            "duration_p50": .seconds(report.durationP50), "duration_p95": .seconds(report.durationP95),
            "duration_max": .seconds(report.durationMax), "mean_wait": .seconds(report.meanWait),
            "last_run_id": .text(report.lastRunID), "last_state": .text(report.lastState?.rawValue),
            "last_start": .instant(report.lastStart),
        ]
    }
}
