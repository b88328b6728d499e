// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension BackfillRow {
    static let resource = Resource<BackfillRow>(
        "Backfill",
        [
            .integer("id", "Its id.") { $0.backfillID },
            .text("dag_id", "The DAG's id.") { $0.dagID },
            .choice("state", State.allCases.map(\.rawValue), "What it is doing.") { $0.state.rawValue },
            .instant("from_date", "The first date.") { $0.from },
            .instant("to_date", "The last date.") { $0.to },
            .flag("run_backwards", "Whether it goes from the last date to the first.") { $0.isReverse },
            .choice(
                "reprocess_behavior", BackfillReprocess.allCases.map(\.rawValue),
                "Which runs that are there already run again."
            ) { $0.reprocess.rawValue },
            .count("max_active_runs", "How many of its runs are under way at a time.") { $0.maxActiveRuns },
            .map("dag_run_conf", "The params of its runs.") { $0.params },
            .flag("is_paused", "Whether it is paused.") { $0.isPaused },
            .count("dates", "How many dates it has.") { $0.dates },
            .count("created", "Dates that got a run.") { $0.created },
            .count("cleared", "Dates whose run runs again.") { $0.cleared },
            .count("skipped", "Dates whose run was left as it is.") { $0.skipped },
            .count("unfinished", "Its runs that have not ended.") { $0.unfinished },
            .text("created_by", "Who asked for it.") { $0.createdBy },
            .instant("created_at", "When.") { $0.createdAt },
            .textOrNull("cancelled_by", "Who has cancelled it.") { $0.cancelledBy },
            .instantOrNull("completed_at", "When it was done.") { $0.completedAt },
        ])
}

extension Endpoint {
    static let backfills: [Endpoint] = [
        .list(
            "backfills", "Backfills, the newest first.", of: BackfillRow.resource, as: "backfills",
            [.text("dag_id", "Only those of this DAG."), .flag("open", "Only those that are not done, where true.")]
        ) { call in
            let before = try call.placeNumber() ?? .max
            return try await call.read { snapshot in
                let dagID = call.text("dag_id")
                if let dagID {
                    try call.require(.viewer, for: dagID)
                    _ = try snapshot.knownDAG(dagID)
                }
                // There are few, and none of them is long.
                var (rows, last): ([BackfillRow], Int64) = ([], before)
                while rows.count <= call.limit {
                    let more = try snapshot.backfills(
                        dagID: dagID, onlyOpen: call.flag("open") ?? false, before: last, limit: call.limit + 1)
                    rows += more.filter { call.sees($0.dagID) }
                    guard more.count > call.limit, let end = more.last else { break }
                    last = end.backfillID
                }
                return Page(rows, limit: call.limit) { [.integer($0.backfillID)] }
            }
        }.ofSome,
        .one("backfills/{backfill_id}", "One backfill.", of: BackfillRow.resource) { call in
            try await call.read { snapshot in
                let text = call.name("backfill_id")
                if let id = Int64(text), let row = try snapshot.backfill(id), call.sees(row.dagID) { return row }
                throw PerchError(.notFound, "there is no backfill '\(text.shown())'")
            }
        }.ofSome,
    ]
}
