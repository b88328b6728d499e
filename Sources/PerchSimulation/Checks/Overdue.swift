// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK
internal import PerchTriggersComposite

/// Why a wait should have fired by now, as far as the metastore and the world outside know.
struct Overdue {
    let connection: any SQLConnection
    let floor: Int64
    let since: Timestamp
    /// What came later may not have been noticed yet.
    let until: Int64
    /// Whether a wait for the world outside, by kind and target, is known to be answered with yes now.
    let mayFire: (_ kind: String, _ target: String) -> Bool

    /// Nil where nothing is known for which it should have fired.
    func reason(kind: String, target: String, _ definition: JSONValue) throws -> String? {
        switch kind {
        case "event": return try event(definition)
        case CompositeTrigger.kind: return try reason(of: CompositeNode(json: definition))
        default: return mayFire(kind, target) ? "it would be answered with yes" : nil
        }
    }

    private func reason(of node: CompositeNode) throws -> String? {
        switch node {
        case .wait(let trigger):
            if let due = try trigger.due?.instant(from: since) {
                return due.microseconds < until ? "it was due at \(due)" : nil
            }
            return try reason(kind: trigger.kind, target: trigger.target, trigger.definition)
        case .atLeast(let count, let members):
            let reasons = try members.compactMap { member -> String? in
                // What must not come may have come in time: then it is no reason.
                if case .none = member { return nil }
                return try reason(of: member)
            }
            return reasons.count >= count ? reasons.joined(separator: "; ") : nil
        case .none(_, let span):
            let end = since + span
            return end.microseconds < until ? "its time was over at \(end)" : nil
        }
    }

    /// An event in the inbox that the wait is for, received early enough.
    private func event(_ definition: JSONValue) throws -> String? {
        guard case .string(let name)? = definition["name"] else { return nil }
        var key: SQLValue = .null
        if case .string(let text)? = definition["key"] { key = .text(text) }
        var found: Int64?
        try connection.query(
            """
            SELECT MIN(seq) FROM event WHERE name = :1 AND (CAST(:2 AS TEXT) IS NULL OR key = :2) AND seq > :3
                AND received_at <= :4
            """, [.text(name), key, .integer(floor), .integer(until)]
        ) { found = $0.optionalInt64(0) }
        return found.map { "it has not seen event \($0)" }
    }
}
