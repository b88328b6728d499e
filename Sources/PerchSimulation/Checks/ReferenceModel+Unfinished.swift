// SPDX-License-Identifier: Apache-2.0

package import PerchMetastore
package import PerchSDK

extension ReferenceModel {
    /// What is still to come at the end of a history in which nothing is broken any more.
    package struct Unfinished: Sendable {
        /// What waits rightly: a paused DAG, a wait whose time has not come or whose event never came.
        package var waiting: [String] = []
        /// What should have gone on.
        package var stuck: [Violation] = []
    }

    /// Looks at every run that has not ended.
    ///
    /// - Parameters:
    ///   - now: The wall clock.
    ///   - patience: How late things may be: slow polls, probes, the time that a bundle needs to come back.
    ///   - mayFire: Whether a wait for the world outside, by kind and target, is known to be answered with yes now.
    package func unfinished(
        on connection: any SQLConnection, now: Timestamp, patience: TimeSpan,
        mayFire: @escaping (_ kind: String, _ target: String) -> Bool = { _, _ in false }
    ) throws -> Unfinished {
        var result = Unfinished()
        let late = now.microseconds - patience.microseconds
        let pausedDAGs = try texts(on: connection, "SELECT dag_id FROM dag WHERE is_paused = 1")
        try waits(on: connection, late, mayFire, pausedDAGs, &result)
        var hopes = try texts(
            on: connection, "SELECT DISTINCT t.run_key FROM wait w JOIN task_instance t ON t.ti_id = w.ti_id")
        try connection.query(
            """
            SELECT t.ti_id, t.run_key, t.state, t.retry_at, r.dag_id, r.run_id, t.task_index, t.map_index, t.queued_at
            FROM task_instance t JOIN dag_run r ON r.run_key = t.run_key
            WHERE r.state = 'running' AND t.state IN ('scheduled', 'queued', 'running', 'up_for_retry')
            ORDER BY t.ti_id
            """, []
        ) { row in
            let name = "\(row.text(4))/\(row.text(5)) task \(row.int(6)) [\(row.int(7))]"
            let state = row.text(2)
            let isPaused = pausedDAGs.contains(row.text(4))
            hopes.insert("\(row.int64(1))")
            if state == "up_for_retry", let at = row.optionalInt64(3), at > late {
                result.waiting.append("\(name) is tried again at \(Timestamp(microseconds: at))")
            } else if isPaused, state == "scheduled" {
                result.waiting.append("\(name) is scheduled, and its DAG is paused")
            } else if state == "running" || (row.optionalInt64(8) ?? 0) > late {
                // What runs is the code's affair; what was queued lately has its time still.
                result.waiting.append("\(name) is \(state)")
            } else {
                result.stuck.append(Violation("stuck", "\(name), task instance \(row.int64(0)), is \(state)"))
            }
        }
        try connection.query(
            """
            SELECT r.run_key, r.dag_id, r.run_id, r.state, d.max_active_runs, (SELECT COUNT(*) FROM dag_run o
                WHERE o.dag_id = r.dag_id AND o.state = 'running'), r.queued_at
            FROM dag_run r JOIN dag d ON d.dag_id = r.dag_id WHERE r.state IN ('queued', 'running') ORDER BY r.run_key
            """, []
        ) { row in
            let name = "\(row.text(1))/\(row.text(2))"
            if hopes.contains("\(row.int64(0))") {
                result.waiting.append("\(name) is \(row.text(3))")
            } else if row.text(3) == "queued",
                pausedDAGs.contains(row.text(1)) || row.int64(5) >= row.int64(4) || row.int64(6) > late
            {
                result.waiting.append("\(name) is queued: its DAG is paused or has enough runs")
            } else {
                result.stuck.append(Violation("stuck", "the run \(name) is \(row.text(3)), and nothing of it goes on"))
            }
        }
        return result
    }

    private func texts(on connection: any SQLConnection, _ sql: StaticString) throws -> Set<String> {
        var found: Set<String> = []
        try connection.query(sql, []) { found.insert($0.text(0)) }
        return found
    }

    private func waits(
        on connection: any SQLConnection, _ late: Int64, _ mayFire: @escaping (String, String) -> Bool,
        _ pausedDAGs: Set<String>, _ result: inout Unfinished
    ) throws {
        struct Wait {
            var id: Int64
            var kind: String
            var target: String
            var due: Int64?
            var deadline: Int64?
            var definition: String?
            var floor: Int64
            var since: Int64
        }
        var waits: [Wait] = []
        try connection.query(
            "SELECT wait_id, kind, target, due_at, deadline, definition, event_floor, since FROM wait ORDER BY wait_id",
            []
        ) { row in
            waits.append(
                Wait(
                    id: row.int64(0), kind: row.text(1), target: row.text(2), due: row.optionalInt64(3),
                    deadline: row.optionalInt64(4), definition: row.optionalText(5), floor: row.int64(6),
                    since: row.int64(7)))
        }
        for wait in waits {
            let name = "the wait \(wait.id) for \(wait.kind) \(wait.target)"
            if wait.since > late {
                result.waiting.append(name)
            } else if let due = wait.due, due < late {
                result.stuck.append(Violation("stuck", "\(name) was due at \(Timestamp(microseconds: due))"))
            } else if let deadline = wait.deadline, deadline < late {
                result.stuck.append(
                    Violation("stuck", "\(name) had its deadline at \(Timestamp(microseconds: deadline))"))
            } else if let definition = wait.definition,
                let reason = try Overdue(
                    connection: connection, floor: wait.floor, since: Timestamp(microseconds: wait.since),
                    until: min(late, wait.deadline ?? .max), mayFire: mayFire
                ).reason(kind: wait.kind, target: wait.target, try JSONValue(parsing: definition))
            {
                result.stuck.append(Violation("stuck", "\(name): \(reason)"))
            } else {
                result.waiting.append(name)
            }
        }
    }
}
