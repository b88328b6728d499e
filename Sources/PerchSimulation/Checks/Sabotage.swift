// SPDX-License-Identifier: Apache-2.0

/// A defect that is put into the engine on purpose, so that it shows whether the checks would find it.
package struct Sabotage: Sendable {
    /// A change of one statement.
    package struct Rewrite: Sendable {
        /// Text that stands in this one statement alone.
        package var statement: String
        package var find: String
        package var replacement: String
    }

    /// A defect that is no statement: the edges have to make it.
    package enum Edge: String, Sendable {
        /// `PRAGMA synchronous = OFF` in place of FULL.
        case synchronousOff
        /// The disk says that it has what it has not.
        case lyingSync
        /// Nobody looks without a doorbell, and doorbells get lost.
        case doorbellsOnly
        /// Long outputs are reported, and were not stored.
        case outputsLost
    }

    package var name: String
    package var rewrites: [Rewrite] = []
    package var edge: Edge?

    static func statement(_ name: String, in statement: String, _ find: String, becomes replacement: String) -> Sabotage
    {
        Sabotage(name: name, rewrites: [Rewrite(statement: statement, find: find, replacement: replacement)])
    }

    /// All of them.
    package static let all: [Sabotage] = [
        statement(
            "finish-without-fence",
            in: "first_try, cancel_state, cancel_reason\nFROM task_instance WHERE ti_id = :1 AND dispatch_id = :2",
            "AND dispatch_id = :2", becomes: "AND (dispatch_id = :2 OR 1 = 1)"),
        statement(
            "step-without-fence", in: "SELECT try_number FROM task_instance",
            "AND dispatch_id = :2", becomes: "AND (dispatch_id = :2 OR 1 = 1)"),
        statement(
            "defer-without-fence", in: "first_try, task_deadline, cancel_state, cancel_reason",
            "AND dispatch_id = :2", becomes: "AND (dispatch_id = :2 OR 1 = 1)"),
        statement(
            "requeue-without-fence",
            in: "SELECT run_key, task_index, map_index, try_number, cancel_state, cancel_reason",
            "AND dispatch_id = :2", becomes: "AND (dispatch_id = :2 OR 1 = 1)"),
        statement(
            "fire-keeps-the-wait", in: "DELETE FROM wait WHERE wait_id = :1\nRETURNING wait_id, ti_id",
            "DELETE FROM wait WHERE wait_id = :1", becomes: "UPDATE wait SET since = since WHERE wait_id = :1"),
        Sabotage(
            name: "fire-without-lease",
            rewrites: [
                Rewrite(
                    statement: "SELECT 1 FROM process WHERE process_id = :1 AND lease_until > :2",
                    find: "SELECT 1 FROM process WHERE process_id = :1 AND lease_until > :2",
                    replacement: "SELECT 1 WHERE :1 = :1 AND :2 = :2")
            ]),
        statement(
            "outcome-overwritten", in: "UPDATE journal SET outcome = :4, event_seq = :5, fired_at = :6, fired_by = :7",
            "AND key = :3", becomes: "AND (key = :3 OR kind = 'wait')"),
        statement(
            "slot-not-released",
            in: "DELETE FROM pool_slot WHERE dispatch_id = :1 RETURNING dispatch_id, pool, slots, limits",
            "WHERE dispatch_id = :1", becomes: "WHERE dispatch_id = :1 AND 1 = 0"),
        statement(
            "pool-without-limit",
            in: "SELECT slots, used, include_deferred, max_deferred,\n    EXISTS", "slots, used,",
            becomes: "slots, 0 * used,"),
        statement(
            "pending-counted-twice", in: "UPDATE task_instance SET pending = pending - :3, upstream_failed",
            "pending - :3", becomes: "pending - :3 - :3"),
        statement(
            "run-counted-twice", in: "UPDATE dag_run SET unfinished = unfinished - :2 + :4",
            "unfinished - :2", becomes: "unfinished - :2 - :2"),
        statement(
            "event-counter-stands", in: "UPDATE counter SET value = :1 WHERE name = 'event_seq'",
            "value = :1", becomes: "value = value + 0 * :1"),
        statement(
            "event-taken-twice", in: "ON CONFLICT (name, event_id) DO NOTHING",
            "DO NOTHING", becomes: "DO UPDATE SET payload = excluded.payload"),
        statement(
            "retry-keeps-the-dispatch", in: "UPDATE task_instance SET state = 'up_for_retry', dispatch_id = 0",
            "dispatch_id = 0", becomes: "dispatch_id = dispatch_id"),
        statement(
            "retry-inherits-all", in: "SELECT ti_id, try_number + 1, key, kind, position, payload",
            "AND is_kept = 1", becomes: "AND is_kept >= 0"),
        statement(
            "requeue-keeps-the-dispatch", in: "queued_at = :4, fair_at = :5, pool = :6\nWHERE ti_id = :1",
            "dispatch_id = :2", becomes: "dispatch_id = CASE WHEN state = 'running' THEN dispatch_id ELSE :2 END"),
        statement(
            "cancel-keeps-the-wait", in: "RETURNING is_sensor, journal_key, since, kind, target, definition",
            "DELETE FROM wait WHERE wait_id = :1", becomes: "UPDATE wait SET since = since WHERE wait_id = :1"),
        statement(
            "clear-keeps-the-try", in: "fair_at = :5, pool = :6, try_number = :7, start_date = NULL",
            "try_number = :7", becomes: "try_number = MAX(1, 0 * :7 + try_number)"),
        statement(
            "deadline-ignored", in: "SELECT wait_id, kind, target, due_at, deadline, since, definition, progress",
            "due_at, deadline, since", becomes: "due_at, NULL, since"),
        statement(
            "event-floor-ignored", in: "SELECT wait_id, kind, target, due_at, deadline, since, definition, progress",
            "event_floor", becomes: "0"),
        Sabotage(name: "synchronous-off", edge: .synchronousOff),
        Sabotage(name: "lying-sync", edge: .lyingSync),
        Sabotage(name: "doorbells-only", edge: .doorbellsOnly),
        Sabotage(name: "outputs-lost", edge: .outputsLost),
    ]

    /// One by its name.
    package static func named(_ name: String) -> Sabotage? { all.first { $0.name == name } }
}

/// The statements of connections, with a sabotage in them; notes what it has changed.
package final class SabotagedStatements: @unchecked Sendable {  // because a simulation runs on one thread
    let sabotage: Sabotage
    /// For each rewrite, the statements that it has changed.
    package private(set) var changed: [Set<String>]

    /// Statements that are to be broken.
    package init(_ sabotage: Sabotage) {
        self.sabotage = sabotage
        changed = sabotage.rewrites.map { _ in [] }
    }

    /// To be given to each connection.
    package func rewrite(_ sql: String) -> String {
        var text = sql
        for (index, rewrite) in sabotage.rewrites.enumerated() where sql.contains(rewrite.statement) {
            let parts = text.split(separator: rewrite.find, omittingEmptySubsequences: false)
            guard parts.count > 1 else { continue }
            changed[index].insert(sql)
            text = parts.joined(separator: rewrite.replacement)
        }
        return text
    }

    /// Whether each rewrite has changed exactly one statement so far.
    package var isApplied: Bool { changed.allSatisfy { $0.count == 1 } }
}
