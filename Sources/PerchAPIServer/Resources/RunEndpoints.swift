// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension RunRow {
    static let resource = Resource<RunRow>(
        "DAGRun",
        [
            .text("dag_run_id", "Its id, unique in the DAG.") { $0.runID },
            .text("dag_id", "The DAG's id.") { $0.dagID },
            .choice("run_type", RunType.allCases.map(\.rawValue), "What created it.") { $0.type.rawValue },
            .choice("state", RunState.allCases.map(\.rawValue), "How it stands.") { $0.state.rawValue },
            .instant("logical_date", "The date that it is for.") { $0.logicalDate },
            .instant("data_interval_start", "Where its data begins.") { $0.dataIntervalStart },
            .instant("data_interval_end", "Where its data ends.") { $0.dataIntervalEnd },
            .instant("queued_at", "When it was created.") { $0.queuedAt },
            .instantOrNull("start_date", "When it began.") { $0.startDate },
            .instantOrNull("end_date", "When it ended.") { $0.endDate },
            .secondsOrNull("duration", "How long it took, in seconds; null until it has ended.") { run in
                run.startDate.flatMap { start in run.endDate.map { $0 - start } }
            },
            .map("conf", "Its params.") { $0.params },
        ])
}

extension Endpoint {
    static let runs: [Endpoint] = [
        .list(
            "dags/{dag_id}/dagRuns",
            "Runs of a DAG, the newest logical date first; of every DAG where dag_id is ~, the newest run first.",
            of: RunRow.resource, as: "dag_runs",
            [
                .choice("state", RunState.allCases.map(\.rawValue), "Only runs in this state."),
                .choice("run_type", RunType.allCases.map(\.rawValue), "Only runs of this type."),
                .instant("logical_date_gte", "Only logical dates from this instant on."),
                .instant("logical_date_lte", "Only logical dates up to this instant."),
            ]
        ) { call in
            let dagID = call.name("dag_id")
            var filter = RunFilter(dagID: dagID == "~" ? nil : dagID)
            filter.state = call.text("state").flatMap(RunState.init(rawValue:))
            filter.type = call.text("run_type").flatMap(RunType.init(rawValue:))
            filter.from = try call.instant("logical_date_gte")
            filter.to = try call.instant("logical_date_lte")
            if let place = try call.place {
                guard case .integer(let key)? = place.first, case .integer(let date)? = place.last, place.count == 2
                else {
                    throw Cursor.refusal
                }
                filter.after = RunPlace(runKey: key, logicalDate: Timestamp(microseconds: date))
            }
            let chosen = filter
            return try await call.read { snapshot in
                if let dagID = chosen.dagID { _ = try snapshot.knownDAG(dagID) }
                let visible = chosen.dagID == nil ? try call.visibleDAGs(snapshot) : nil
                return try Page<RunRow>(
                    limit: call.limit, place: { [.integer($0.runKey), .integer($0.logicalDate.microseconds)] },
                    bytes: { $0.params.text.utf8.count },
                    read: { last, count in
                        var filter = chosen
                        filter.dagIDs = visible
                        filter.limit = count
                        if let last { filter.after = RunPlace(runKey: last.runKey, logicalDate: last.logicalDate) }
                        return try snapshot.runs(filter)
                    })
            }
        },
        .one("dags/{dag_id}/dagRuns/{dag_run_id}", "One run.", of: RunRow.resource) { call in
            try await call.read { try $0.knownRun(of: call) }
        },
    ]
}
