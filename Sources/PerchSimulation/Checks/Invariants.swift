// SPDX-License-Identifier: Apache-2.0

package import PerchMetastore

/// What must hold after every commit of a simulated history.
package final class Invariants: @unchecked Sendable {  // because a simulation runs on one thread
    private(set) var shadow = Shadow()
    private var last: AuditRow?
    private var lastViolation: Int64 = 0
    /// How far the wall clock may have gone back between a decision to fire and its commit, in microseconds.
    package var clockSlack: Int64 {
        get { shadow.clockSlack }
        set { shadow.clockSlack = newValue }
    }

    /// Checks of a database whose audit is empty, or of one from its beginning.
    package init() {}

    /// The number of the last change that was looked at.
    package var lastSeq: Int64 { last?.seq ?? 0 }

    /// The last changes of a task instance, for people.
    package func rows(about taskInstanceID: Int64) -> [String] { shadow.rows(about: taskInstanceID) }

    /// Looks at what was committed since the last call.
    package func incremental(on connection: any SQLConnection) throws -> [Violation] {
        var found: [Violation] = []
        if let last, try AuditRow.row(on: connection, last.seq) != last {
            found.append(
                Violation("durability", "a change that was committed is gone: power loss took it", rows: ["\(last)"]))
            // What was seen is not what there is: begun anew, so that the loss is said once.
            let slack = shadow.clockSlack
            shadow = Shadow()
            shadow.clockSlack = slack
            self.last = nil
            lastViolation = 0
        }
        let rows = try AuditRow.rows(on: connection, after: lastSeq)
        found += try shadow.take(rows, on: connection)
        last = rows.last ?? last
        try connection.query(
            "SELECT number, rule, sentence, audit_seq FROM sim_violation WHERE number > :1 ORDER BY number",
            [.integer(lastViolation)]
        ) { row in
            lastViolation = row.int64(0)
            found.append(
                Violation(row.text(1), row.text(2), rows: row.isNull(3) ? [] : ["after change \(row.int64(3))"]))
        }
        return found
    }

    /// Looks at everything: the whole audit from its beginning, and all rows as they stand.
    ///
    /// - Parameter isQuiet: Whether every role has had time to do all that it has to: then nothing may be left behind.
    package static func full(
        on connection: any SQLConnection, isQuiet: Bool = false, clockSlack: Int64 = 0
    ) throws -> [Violation] {
        let fresh = Invariants()
        fresh.clockSlack = clockSlack
        var found = try fresh.incremental(on: connection)
        for fault in try ConsistencyRules.faults(on: connection) { found.append(Violation("db check", fault)) }
        for rule in RowRules.all where isQuiet || !rule.isOnlyWhenQuiet {
            try connection.query(rule.query, []) { row in
                found.append(Violation(rule.name, "\(rule.sentence): \(row.text(0))"))
            }
        }
        return found
    }
}
