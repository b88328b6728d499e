// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

extension Transaction {
    /// Takes events in, in order; durable when the write returns. An event whose name and id are in the inbox already is not
    /// taken again: its answer names the first one.
    /// - Throws: `invalid` for an ill-formed name, key or id; then none of them was taken.
    public func emit(_ events: [NewEvent]) throws -> [AcceptedEvent] {
        guard !events.isEmpty else { return [] }
        for event in events { try event.check() }
        // Locked, so that the order of commits is that of `seq`.
        var seq = try number("SELECT value FROM counter WHERE name = 'event_seq' {for_update}") ?? 0
        let first = seq
        let accepted = try events.map { event in
            let eventID = try event.eventID ?? "perch-\(nextID())"
            let inserted = try run(
                """
                INSERT INTO event (seq, event_id, name, key, payload, received_at, traceparent)
                VALUES (:1, :2, :3, :4, :5, :6, :7) ON CONFLICT (name, event_id) DO NOTHING
                """, seq + 1, eventID, event.name, event.key, event.payload.text, now,
                event.traceparent.flatMap { TraceParent($0) }?.text)
            if inserted == 1 {
                seq += 1
                return AcceptedEvent(seq: seq, eventID: eventID, isDuplicate: false)
            }
            let known = try number("SELECT seq FROM event WHERE name = :1 AND event_id = :2", event.name, eventID)
            return AcceptedEvent(seq: known ?? 0, eventID: eventID, isDuplicate: true)
        }
        if seq > first {
            tally.events += Int(seq - first)
            try run("UPDATE counter SET value = :1 WHERE name = 'event_seq'", seq)
            ring(.events)
        }
        return accepted
    }
}

extension Snapshot {
    /// The `seq` of the newest event, 0 where there was none.
    public func lastEventSeq() throws -> Int64 {
        try number("SELECT value FROM counter WHERE name = 'event_seq'") ?? 0
    }

    /// Events after a `seq`, in order: the tail of the inbox.
    public func events(after seq: Int64, limit: Int) throws -> [InboxEvent] {
        try rows(
            """
            SELECT seq, event_id, name, key, payload, received_at FROM event WHERE seq > :1 ORDER BY seq LIMIT :2
            """, seq, limit
        ) { try InboxEvent($0) }
    }

    /// Events of a name (and key, where one is given) after a `seq`, in order: a look back for one wait.
    public func events(name: String, key: String?, after seq: Int64, limit: Int) throws -> [InboxEvent] {
        if let key {
            return try rows(
                """
                SELECT seq, event_id, name, key, payload, received_at FROM event
                WHERE name = :1 AND key = :2 AND seq > :3 ORDER BY seq LIMIT :4
                """, name, key, seq, limit
            ) { try InboxEvent($0) }
        }
        return try rows(
            """
            SELECT seq, event_id, name, key, payload, received_at FROM event
            WHERE name = :1 AND seq > :2 ORDER BY seq LIMIT :3
            """, name, seq, limit
        ) { try InboxEvent($0) }
    }

    /// The newest events first, for people; only those before a `seq`.
    public func latestEvents(
        name: String?, key: String?, before seq: Int64 = .max, limit: Int
    ) throws -> [InboxEvent] {
        try rows(
            """
            SELECT seq, event_id, name, key, payload, received_at FROM event
            WHERE seq < :3 AND (CAST(:1 AS TEXT) IS NULL OR name = :1) AND (CAST(:2 AS TEXT) IS NULL OR key = :2)
            ORDER BY seq DESC LIMIT :4
            """, name, key, seq, limit
        ) { try InboxEvent($0) }
    }
}

extension InboxEvent {
    init(_ row: borrowing SQLRow) throws {
        self.init(
            seq: row.int64(0), eventID: row.text(1), name: row.text(2), key: row.optionalText(3),
            payload: try row.json(4), receivedAt: row.time(5))
    }
}
