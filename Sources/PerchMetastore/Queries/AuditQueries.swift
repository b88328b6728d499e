// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// Which entries of the record of what was done are wanted.
package struct AuditFilter: Sendable {
    /// Only what this one has done.
    package var who: String?
    /// Only what was done whose name has this in it.
    package var action: String?
    /// Only what was done to something whose name has this in it.
    package var subject: String?
    /// Only from this instant on.
    package var since: Timestamp?
    /// Only before this instant.
    package var until: Timestamp?
    /// Only what was recorded before this entry.
    package var before = Int64.max
    package var limit = 100

    /// Everything, a page at a time.
    package init() {}
}

extension Snapshot {
    /// What was done, the latest first, a page at a time.
    package func auditLog(_ filter: AuditFilter) throws -> [AuditRow] {
        var conditions = QueryConditions()
        conditions.add("audit_id <", filter.before)
        conditions.add("who =", filter.who)
        conditions.add("at >=", filter.since)
        conditions.add("at <", filter.until)
        for (column, part) in [("action", filter.action), ("subject", filter.subject)] {
            guard let part else { continue }
            let escaped = part.map { "%_!".contains($0) ? "!\($0)" : String($0) }.joined()
            conditions.texts.append("\(column) {like} \(conditions.place("%" + escaped + "%")) ESCAPE '!'")
        }
        var found: [AuditRow] = []
        try connection.query(
            text: """
                SELECT audit_id, at, who, how, action, subject, details FROM audit_log
                WHERE \(conditions.text) ORDER BY audit_id DESC LIMIT \(conditions.place(filter.limit))
                """, conditions.values
        ) { row in
            found.append(
                AuditRow(
                    auditID: row.int64(0), at: row.time(1),
                    entry: AuditEntry(
                        who: row.text(2), how: row.text(3), action: row.text(4), subject: row.text(5),
                        details: try row.json(6))))
        }
        return found
    }

    /// The same of one person, or since an instant.
    package func auditLog(
        who: String? = nil, since: Timestamp? = nil, before: Int64 = .max, limit: Int
    ) throws -> [AuditRow] {
        var filter = AuditFilter()
        (filter.who, filter.since, filter.before, filter.limit) = (who, since, before, limit)
        return try auditLog(filter)
    }

    /// How many entries were recorded before an instant.
    package func auditEntries(before instant: Timestamp) throws -> Int {
        Int(try number("SELECT COUNT(*) FROM audit_log WHERE at < :1", instant) ?? 0)
    }
}
