// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

extension Transaction {
    /// Creates the runs that events start, and notes that every event up to `seq` has been looked at: both or neither, so
    /// that each event starts a DAG once. Gives the number of runs; nil where another scheduler was first, or the DAGs that
    /// events start are others than those by which the events were looked at.
    ///
    /// A paused DAG gets no run; that its event was passed over is noted.
    public func startRuns(
        _ starts: [EventStart], by known: [EventStartedDAG], from cursor: Int64, upTo seq: Int64
    ) throws -> Int? {
        guard try eventStartedDAGs() == known else { return nil }
        let moved = try run(
            "UPDATE counter SET value = :2 WHERE name = 'start_cursor' AND value = :1", cursor, seq)
        guard moved == 1 else { return nil }
        let versions = Dictionary(known.map { ($0.dagID, $0.versionID) }) { $1 }
        var created = 0
        var gathered: Set<String> = []
        for start in starts {
            let refusal = try refusal(of: start.dagID) ?? start.gift.refusal
            try run(
                """
                INSERT INTO event_start (seq, dag_id, patterns, run_key, reason) VALUES (:1, :2, :3, NULL, :4)
                ON CONFLICT DO NOTHING
                """, start.event.seq, start.dagID, start.patterns, refusal)
            guard refusal == nil else { continue }
            if try versions[start.dagID].flatMap({ try gathering(ofVersion: $0) }) ?? .each == .each {
                created += try startRun(of: start.dagID, by: [start.event], start.gift, isGathered: false)
            } else {
                gathered.insert(start.dagID)
            }
        }
        for dagID in gathered.sorted() { created += try closeBatches(of: dagID) }
        return created
    }

    /// How a DAG gathers events; nil where none starts it.
    private func gathering(ofVersion versionID: Int64) throws -> EventGathering? {
        guard case .events(let events) = try version(versionID).definition.schedule else { return nil }
        return EventGathering(events)
    }

    /// Why events start no run of a DAG now.
    private func refusal(of dagID: String) throws -> String? {
        guard let dag = try dag(dagID), dag.isActive else { return "the DAG is not deployed any more" }
        return dag.isPaused ? "the DAG was paused" : nil
    }

    /// Starts the runs of what has been gathered for a DAG, as far as that is enough, or its time is over. Gives the number
    /// of runs. What a DAG had that gathers no more is let go.
    public func closeBatches(of dagID: String) throws -> Int {
        guard let rule = try dag(dagID).flatMap({ try gathering(ofVersion: $0.versionID) }), rule != .each else {
            try letGo(ofGathered: dagID, reason: "the DAG gathers events no more")
            return 0
        }
        if let refusal = try refusal(of: dagID) {
            try letGo(ofGathered: dagID, reason: refusal)
            return 0
        }
        var created = 0
        while true {
            let (isEnough, dueAt) = try standing(of: dagID, rule)
            guard isEnough else {
                try run("DELETE FROM event_batch WHERE dag_id = :1", dagID)
                if let dueAt {
                    try run("INSERT INTO event_batch (dag_id, due_at) VALUES (:1, :2)", dagID, dueAt)
                }
                return created
            }
            let events = try gathered(for: dagID, rule)
            guard !events.isEmpty else {
                try letGo(ofGathered: dagID, reason: "its event is kept no longer")
                return created
            }
            created += try startRun(of: dagID, by: events, rule.gift(of: events), isGathered: true)
        }
    }

    /// Whether what has been gathered is enough, and when it will be by time alone.
    private func standing(of dagID: String, _ rule: EventGathering) throws -> (isEnough: Bool, dueAt: Timestamp?) {
        switch rule {
        case .each: return (false, nil)
        case .when(let expression):
            let met = try rows(
                """
                SELECT DISTINCT patterns FROM event_start WHERE dag_id = :1 AND run_key IS NULL AND reason IS NULL
                """, dagID
            ) { $0.int64(0) }
            return (expression.isMet(by: met.reduce(0, |)), nil)
        case .batch(let count, let span, _):
            let found = try first(
                """
                SELECT COUNT(*), MIN(seq) FROM event_start WHERE dag_id = :1 AND run_key IS NULL AND reason IS NULL
                """, dagID
            ) { (count: $0.int(0), first: $0.isNull(1) ? nil : $0.int64(1)) }
            guard let found, let first = found.first else { return (false, nil) }
            let oldest = try number("SELECT received_at FROM event WHERE seq = :1", first)
            let dueAt = span.map { Timestamp(microseconds: oldest ?? now.microseconds) + $0 }
            return (found.count >= count || dueAt.map { $0 <= now } ?? false, dueAt)
        }
    }

    /// Of a batch the first ones; of what all patterns have met the last ones, should there be more than a run takes.
    private func gathered(for dagID: String, _ rule: EventGathering) throws -> [InboxEvent] {
        if case .batch(let count, _, _) = rule {
            return try rows(
                """
                SELECT e.seq, e.event_id, e.name, e.key, e.payload, e.received_at
                FROM event_start s JOIN event e ON e.seq = s.seq
                WHERE s.dag_id = :1 AND s.run_key IS NULL AND s.reason IS NULL ORDER BY s.seq LIMIT :2
                """, dagID, count
            ) { try InboxEvent($0) }
        }
        return try rows(
            """
            SELECT e.seq, e.event_id, e.name, e.key, e.payload, e.received_at
            FROM event_start s JOIN event e ON e.seq = s.seq
            WHERE s.dag_id = :1 AND s.run_key IS NULL AND s.reason IS NULL ORDER BY s.seq DESC LIMIT :2
            """, dagID, EventSchedule.mostGathered
        ) { try InboxEvent($0) }.reversed()
    }

    private func letGo(ofGathered dagID: String, reason: String) throws {
        try run("DELETE FROM event_batch WHERE dag_id = :1", dagID)
        try settleGathered(of: dagID, upTo: .max, runKey: nil, reason: reason)
    }

    private func startRun(
        of dagID: String, by events: [InboxEvent], _ gift: EventGift, isGathered: Bool
    ) throws -> Int {
        guard let last = events.last else { return 0 }
        let type: RunType =
            events.allSatisfy { $0.name == Asset.eventName } ? .assetTriggered : .eventTriggered
        var params = gift.params
        params[InboxEvent.startingParam] = last.value
        if isGathered { params[InboxEvent.gatheredParam] = .array(events.map(\.value)) }
        // Events of one transaction have one instant, and each its number.
        let name = gift.dedupeKey.map(Self.runName) ?? "\(last.receivedAt)__\(last.seq)"
        var request = RunRequest(
            dagID: dagID, runID: "\(type.rawValue)__\(name)", type: type, params: .object(params))
        request.logicalDate = last.receivedAt
        request.dataIntervalStart = events[0].receivedAt
        request.eventID = last.eventID
        request.traceparent = try first("SELECT traceparent FROM event WHERE seq = :1", last.seq) {
            $0.optionalText(0)
        }.flatMap { $0 }
        var runKey: Int64?
        var reason: String?
        do {
            runKey = try createRun(request).runKey
        } catch let error as PerchError where error.code == .conflict || error.code == .invalid {
            reason = error.message
        }
        try settleGathered(of: dagID, upTo: last.seq, runKey: runKey, reason: reason)
        return runKey == nil ? 0 : 1
    }

    /// A dedupe key as a part of a run's id: what an id cannot hold is written as in addresses, and a long key ends in its
    /// hash. Different keys give different names.
    static func runName(_ key: String) -> String {
        var name = ""
        for scalar in key.unicodeScalars {
            if scalar == "/" || scalar == "%" || scalar.properties.generalCategory == .control {
                for byte in String(scalar).utf8 {
                    name += (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
                }
            } else {
                name.unicodeScalars.append(scalar)
            }
        }
        guard name.utf8.count > 200 else { return name }
        return name.prefix(40) + "%" + ContentHash.text(of: key)
    }

    private func settleGathered(of dagID: String, upTo seq: Int64, runKey: Int64?, reason: String?) throws {
        try run(
            """
            UPDATE event_start SET run_key = :3, reason = :4
            WHERE dag_id = :1 AND seq <= :2 AND run_key IS NULL AND reason IS NULL
            """, dagID, seq, runKey, reason)
    }

    /// A DAG is started by events from its deployment on, or from the change of its schedule.
    func setStartFloor(of definition: DAGDefinition, isKept: Bool) throws {
        let dagID = definition.dagID
        try run("DELETE FROM dag_follower WHERE dag_id = :1", dagID)
        guard case .events(let events) = definition.schedule else {
            let was = try run("UPDATE dag SET start_floor = NULL WHERE dag_id = :1 AND start_floor IS NOT NULL", dagID)
            if was > 0 { try letGo(ofGathered: dagID, reason: "the schedule was changed") }
            return
        }
        for pattern in events.patterns where pattern.name == EventPattern.runEndName {
            try run(
                "INSERT INTO dag_follower (followed, dag_id) VALUES (:1, :2) ON CONFLICT DO NOTHING",
                pattern.key ?? "", dagID)
        }
        if isKept { return }
        try letGo(ofGathered: dagID, reason: "the schedule was changed")
        try run("UPDATE dag SET start_floor = :2 WHERE dag_id = :1", dagID, try lastEventSeq())
    }

    /// Tells of a run's end, where a DAG is started by it.
    func tellEnd(ofRun runKey: Int64, of dagID: String, as state: RunState) throws {
        guard try number("SELECT 1 FROM dag_follower WHERE followed = :1 OR followed = '' LIMIT 1", dagID) != nil else {
            return
        }
        let row = try first("SELECT run_id, logical_date FROM dag_run WHERE run_key = :1", runKey) {
            (runID: $0.text(0), logicalDate: $0.time(1))
        }
        guard let row else { return }
        let payload: JSONValue = .object([
            "dag_id": .string(dagID), "run_id": .string(row.runID), "state": .string(state.rawValue),
            "logical_date": .string(row.logicalDate.description),
        ])
        _ = try emit([NewEvent(name: EventPattern.runEndName, key: dagID, payload: payload)])
    }
}

extension Snapshot {
    /// The active DAGs that events start, paused ones too, by id.
    public func eventStartedDAGs() throws -> [EventStartedDAG] {
        try rows(
            """
            SELECT dag_id, version_id, start_floor FROM dag WHERE start_floor IS NOT NULL AND is_active = 1
            ORDER BY dag_id
            """
        ) { EventStartedDAG(dagID: $0.text(0), versionID: $0.int64(1), floor: $0.int64(2)) }
    }

    /// The last event that was looked at for DAGs that it starts, as far as that is stored.
    public func startCursor() throws -> Int64 {
        try number("SELECT value FROM counter WHERE name = 'start_cursor'") ?? 0
    }

    /// DAGs whose batch of events is over by now.
    public func batchesDue(by instant: Timestamp, limit: Int) throws -> [String] {
        try rows("SELECT dag_id FROM event_batch WHERE due_at <= :1 ORDER BY due_at, dag_id LIMIT :2", instant, limit) {
            $0.text(0)
        }
    }

    /// When the next batch of events is over.
    public func nextBatchInstant() throws -> Timestamp? {
        try number("SELECT MIN(due_at) FROM event_batch").map(Timestamp.init(microseconds:))
    }

    /// What an event has started, by DAG.
    public func started(byEvent seq: Int64) throws -> [StartedRun] {
        try rows(
            """
            SELECT s.dag_id, r.run_id, CASE WHEN s.run_key IS NULL AND s.reason IS NULL
                THEN 'it is gathered with others' ELSE s.reason END
            FROM event_start s LEFT JOIN dag_run r ON r.run_key = s.run_key
            WHERE s.seq = :1 ORDER BY s.dag_id
            """, seq
        ) { StartedRun(dagID: $0.text(0), runID: $0.optionalText(1), reason: $0.optionalText(2)) }
    }
}
