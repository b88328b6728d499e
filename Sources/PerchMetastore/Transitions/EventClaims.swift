// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

extension Transaction {
    /// The `seq` up to which events are not for a wait that is being registered.
    /// - Throws: `invalid` where it wants events from longer ago than they are kept.
    func floor(of wait: NewWait) throws -> Int64 {
        let definition = wait.trigger.definition
        let isLevel = EventTerms.isLevel(definition)
        guard let start = try EventTerms.start(definition, now: now) else {
            // A state holds however old its event is, and whoever has seen it before.
            return isLevel ? 0 : wait.eventFloor
        }
        let received = isLevel ? 0 : wait.received ?? 0
        switch start {
        case .runCreated:
            return isLevel ? try facts(ofRun: wait.instance.runKey).row.eventFloor : wait.eventFloor
        case .registered: return try lastEventSeq()
        case .instant(let instant):
            let kept = try eventRetention()
            guard instant.microseconds >= now.microseconds - kept.microseconds else {
                throw PerchError(
                    .invalid,
                    "the wait for '\(wait.trigger.target)' wants events since \(instant), but events are kept for "
                        + "\(kept) only: ask for less, or raise 'retention.events_days'")
            }
            let last = try number(
                "SELECT seq FROM event WHERE received_at < :1 ORDER BY received_at DESC, seq DESC LIMIT 1", instant)
            return max(last ?? 0, received)
        }
    }

    /// Says how long events are kept, so that no wait is registered that wants older ones.
    public func storeEventRetention(_ span: TimeSpan) throws {
        guard try eventRetention() != span else { return }
        try run(
            """
            INSERT INTO meta (key, value) VALUES ('event_retention', :1)
            ON CONFLICT (key) DO UPDATE SET value = excluded.value
            """, String(span.microseconds))
    }

    /// Takes the event of a fire for its wait. False where another has it: then the wait stands, and its triggerer is left
    /// a note to arm it again. True also where the wait is gone; the event then stays nobody's.
    func claimEvent(of firing: Firing) throws -> Bool {
        guard let seq = firing.eventSeq, case .event = firing.outcome else { return true }
        let found = try first(
            """
            SELECT t.run_key, t.task_index, t.map_index, w.try_number, w.queue, w.shard
            FROM wait w JOIN task_instance t ON t.ti_id = w.ti_id WHERE w.wait_id = :1 AND t.state = 'deferred'
            """, firing.waitID
        ) {
            (
                runKey: $0.int64(0), task: $0.int(1), mapIndex: $0.int(2), tryNumber: $0.int(3), queue: $0.text(4),
                shard: $0.int(5)
            )
        }
        guard let found else { return true }
        let facts = try facts(ofRun: found.runKey)
        let element = found.mapIndex < 0 ? "" : "[\(found.mapIndex)]"
        let consumer =
            "\(facts.row.dagID)/\(facts.row.runID)/\(facts.version.tasks[found.task].taskID)\(element) try \(found.tryNumber)"
        let isFirst =
            try run(
                """
                INSERT INTO event_claim (seq, consumer, claimed_at) VALUES (:1, :2, :3) ON CONFLICT (seq) DO NOTHING
                """, seq, consumer, now) == 1
        if !isFirst { try noteChange(of: firing.waitID, queue: found.queue, shard: found.shard) }
        return isFirst
    }
}

extension Snapshot {
    /// How long events are kept.
    public func eventRetention() throws -> TimeSpan {
        let stored = try first("SELECT value FROM meta WHERE key = 'event_retention'") { $0.text(0) }
        return stored.flatMap { Int64($0) }.map { TimeSpan(microseconds: $0) } ?? EventTerms.retention
    }

    /// Which task took an event for itself, as `dag/run/task try n`; nil where none has.
    public func consumer(ofEvent seq: Int64) throws -> String? {
        try first("SELECT consumer FROM event_claim WHERE seq = :1", seq) { $0.text(0) }
    }

    /// An event by its number; nil where it is not, or no longer, in the inbox.
    public func event(_ seq: Int64) throws -> InboxEvent? {
        try first(
            "SELECT seq, event_id, name, key, payload, received_at FROM event WHERE seq = :1", seq
        ) { try InboxEvent($0) }
    }

    /// Events of a name (and key) after a `seq` that no wait has taken for itself, in order.
    public func unclaimedEvents(name: String, key: String?, after seq: Int64, limit: Int) throws -> [InboxEvent] {
        if let key {
            return try rows(
                """
                SELECT seq, event_id, name, key, payload, received_at FROM event e
                WHERE name = :1 AND key = :2 AND seq > :3
                    AND NOT EXISTS (SELECT 1 FROM event_claim c WHERE c.seq = e.seq)
                ORDER BY seq LIMIT :4
                """, name, key, seq, limit
            ) { try InboxEvent($0) }
        }
        return try rows(
            """
            SELECT seq, event_id, name, key, payload, received_at FROM event e
            WHERE name = :1 AND seq > :2 AND NOT EXISTS (SELECT 1 FROM event_claim c WHERE c.seq = e.seq)
            ORDER BY seq LIMIT :3
            """, name, seq, limit
        ) { try InboxEvent($0) }
    }

    /// The last event of a name (and key) after a `seq` and up to another, received at or before an instant.
    public func latestEvent(
        name: String, key: String?, after seq: Int64, upTo last: Int64, receivedBy instant: Timestamp?
    ) throws -> InboxEvent? {
        let instant = instant?.microseconds ?? .max
        if let key {
            return try first(
                """
                SELECT seq, event_id, name, key, payload, received_at FROM event
                WHERE name = :1 AND key = :2 AND seq > :3 AND seq <= :4 AND received_at <= :5
                ORDER BY seq DESC LIMIT 1
                """, name, key, seq, last, instant
            ) { try InboxEvent($0) }
        }
        return try first(
            """
            SELECT seq, event_id, name, key, payload, received_at FROM event
            WHERE name = :1 AND seq > :2 AND seq <= :3 AND received_at <= :4
            ORDER BY seq DESC LIMIT 1
            """, name, seq, last, instant
        ) { try InboxEvent($0) }
    }
}
