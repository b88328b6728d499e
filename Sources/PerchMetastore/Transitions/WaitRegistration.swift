// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// A wait that is about to be registered.
struct NewWait {
    var instance: Instance
    var journalKey: String
    var trigger: TriggerSpec
    var deadline: Timestamp?
    var isSensor: Bool
    /// Events up to this one are not for it, where its trigger says nothing else.
    var eventFloor: Int64
    /// The last event that an earlier wait of the same name and key in the try received.
    var received: Int64?
    /// What it holds of its task's pool.
    var holds: [Hold]
    var queue: String
}

extension Transaction {
    /// Inserts the wait's row. The state of its task is the caller's. A wait for a run that has ended already is fired
    /// when the settlement is settled.
    /// - Throws: `invalid` where its instant, or the run that it is for, cannot be read.
    func register(_ wait: NewWait, in settlement: Settlement) throws {
        var wait = wait
        let aim = wait.trigger.kind == RunAim.kind ? try aim(of: wait) : nil
        if let aim {
            wait.trigger.target = try aim.target(from: facts(ofRun: wait.instance.runKey).row.logicalDate)
        }
        var rows = WaitRows()
        let waitID = try add(wait, aim, to: &rows)
        try store(rows)
        try hold(wait.holds, forWait: waitID)
        if HostedKind.isHosted(wait.trigger.kind) { try addHosted(waitID, of: wait.instance.runKey) }
        if let aim { try look(waitID, aim, of: wait.instance, in: settlement) }
    }

    /// Adds the row of a wait to those that are to be stored; gives its id.
    /// - Throws: `invalid` where its instant cannot be read; then nothing is added.
    func add(_ wait: NewWait, _ aim: RunAim?, to rows: inout WaitRows) throws -> Int64 {
        let trigger = wait.trigger
        let eventFloor = try trigger.kind == EventTerms.kind ? floor(of: wait) : wait.eventFloor
        let due = try trigger.due?.instant(from: now)
        let waitID = try nextWaitID()
        try noteQueue(wait.queue)
        var wait = wait
        wait.trigger.definition = try traced(wait)
        rows.add(
            waitID, wait, due: due, since: now, eventFloor: eventFloor,
            edgeKey: aim.map { Self.edgeKey($0.dagID, isTask: $0.taskID != nil) })
        return waitID
    }

    /// Inserts rows of waits, and lets who watches know.
    func store(_ rows: WaitRows) throws {
        try runMany(
            """
            INSERT INTO wait (wait_id, ti_id, try_number, journal_key, kind, target, target_key, shard, queue, due_at,
                deadline, since, is_sensor, definition, event_floor, edge_key, held)
            VALUES (:1, :2, :3, :4, :5, :6, :7, :8, :9, :10, :11, :12, :13, :14, :15, :16, :17)
            """, rows.values, width: WaitRows.width)
        ring(.waits)
    }
}

/// Rows of waits that are to be stored, one after the other.
struct WaitRows {
    static let width = 17
    fileprivate(set) var values: [SQLValue] = []

    mutating func add(
        _ waitID: Int64, _ wait: NewWait, due: Timestamp?, since: Timestamp, eventFloor: Int64, edgeKey: Int64?
    ) {
        let (trigger, instance) = (wait.trigger, wait.instance)
        values.append(.integer(waitID))
        values.append(.integer(instance.id))
        values.append(instance.tryNumber.sqlValue)
        values.append(.text(wait.journalKey))
        values.append(.text(trigger.kind))
        values.append(.text(trigger.target))
        values.append(.integer(ContentHash.targetKey(kind: trigger.kind, target: trigger.target)))
        values.append(ShardKey.shard(queue: wait.queue, kind: trigger.kind, target: trigger.target).sqlValue)
        values.append(.text(wait.queue))
        values.append(due.sqlValue)
        values.append(wait.deadline.sqlValue)
        values.append(since.sqlValue)
        values.append(wait.isSensor.sqlValue)
        values.append(trigger.definition == .object([:]) ? .null : .text(trigger.definition.text))
        values.append(.integer(eventFloor))
        values.append(edgeKey.sqlValue)
        values.append(wait.holds.count.sqlValue)
    }
}
