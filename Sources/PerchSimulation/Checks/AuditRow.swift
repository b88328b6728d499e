// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// One change that the audit wrote down.
struct AuditRow: Hashable, CustomStringConvertible {
    var seq: Int64
    var what: String
    var id: Int64
    var runKey: Int64
    var taskIndex: Int
    var mapIndex: Int
    var tryNumber: Int
    var oldState: String?
    var newState: String?
    var oldDispatch: Int64?
    var newDispatch: Int64?
    var key: String?
    var text: String?
    var number: Int64?
    var other: Int64?

    init(_ row: borrowing SQLRow) {
        seq = row.int64(0)
        what = row.text(1)
        id = row.int64(2)
        runKey = row.int64(3)
        taskIndex = row.int(4)
        mapIndex = row.int(5)
        tryNumber = row.int(6)
        oldState = row.optionalText(7)
        newState = row.optionalText(8)
        oldDispatch = row.optionalInt64(9)
        newDispatch = row.optionalInt64(10)
        key = row.optionalText(11)
        text = row.optionalText(12)
        number = row.optionalInt64(13)
        other = row.optionalInt64(14)
    }

    /// The rows after a number, in order.
    static func rows(on connection: any SQLConnection, after seq: Int64) throws -> [AuditRow] {
        var found: [AuditRow] = []
        try connection.query(
            """
            SELECT seq, what, id, run_key, task_index, map_index, try_number, old_state, new_state, old_dispatch,
                new_dispatch, key, text, number, other
            FROM sim_audit WHERE seq > :1 ORDER BY seq
            """, [.integer(seq)]
        ) { found.append(AuditRow($0)) }
        return found
    }

    /// One row; nil where it is not there.
    static func row(on connection: any SQLConnection, _ seq: Int64) throws -> AuditRow? {
        var found: AuditRow?
        try connection.query(
            """
            SELECT seq, what, id, run_key, task_index, map_index, try_number, old_state, new_state, old_dispatch,
                new_dispatch, key, text, number, other
            FROM sim_audit WHERE seq = :1
            """, [.integer(seq)]
        ) { found = AuditRow($0) }
        return found
    }

    var description: String {
        var parts = ["\(seq) \(what)"]
        if id != 0 { parts.append("ti \(id)") }
        if runKey != 0 { parts.append("run \(runKey)") }
        if what.hasPrefix("task") { parts.append("task \(taskIndex)[\(mapIndex)]") }
        if tryNumber != 0 { parts.append("try \(tryNumber)") }
        if let oldState { parts.append("from \(oldState)") }
        if let newState { parts.append("to \(newState)") }
        if let oldDispatch { parts.append("old dispatch \(oldDispatch)") }
        if let newDispatch { parts.append("dispatch \(newDispatch)") }
        if let key { parts.append("'\(key)'") }
        if let text { parts.append(String(text.prefix(120))) }
        if let number { parts.append("number \(number)") }
        if let other { parts.append("other \(other)") }
        return parts.joined(separator: ", ")
    }
}
