// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// An event that is to start a run of a DAG.
public struct EventStart: Sendable {
    public var dagID: String
    public var event: InboxEvent

    /// A start from its parts.
    public init(dagID: String, event: InboxEvent) {
        self.dagID = dagID
        self.event = event
    }
}

/// A DAG that events start.
public struct EventStartedDAG: Sendable, Hashable {
    public var dagID: String
    public var versionID: Int64
    /// Events up to this one do not start it.
    public var floor: Int64
}

/// What became of an event that was to start a DAG.
public struct StartedRun: Sendable, Hashable {
    public var dagID: String
    /// Nil where there is none, or none any more.
    public var runID: String?
    /// Why there is none.
    public var reason: String?
}

extension Transaction {
    /// Creates the runs that events start, and notes that every event up to `seq` has been looked at: both or neither, so
    /// that each event starts a DAG once. Gives the number of runs; nil where another scheduler was first.
    ///
    /// A paused DAG gets no run; that its event was passed over is noted.
    public func startRuns(_ starts: [EventStart], from cursor: Int64, upTo seq: Int64) throws -> Int? {
        let moved = try run(
            "UPDATE counter SET value = :2 WHERE name = 'start_cursor' AND value = :1", cursor, seq)
        guard moved == 1 else { return nil }
        var created = 0
        for start in starts {
            let (runKey, reason) = try startRun(start)
            if runKey != nil { created += 1 }
            try run(
                """
                INSERT INTO event_start (seq, dag_id, run_key, reason) VALUES (:1, :2, :3, :4) ON CONFLICT DO NOTHING
                """, start.event.seq, start.dagID, runKey, reason)
        }
        return created
    }

    private func startRun(_ start: EventStart) throws -> (runKey: Int64?, reason: String?) {
        guard let dag = try dag(start.dagID), dag.isActive else { return (nil, "the DAG is not deployed any more") }
        if dag.isPaused { return (nil, "the DAG was paused") }
        let event = start.event
        let type: RunType = event.name == Asset.eventName ? .assetTriggered : .eventTriggered
        // Events of one transaction have one instant, and each its number.
        var request = RunRequest(
            dagID: start.dagID, runID: "\(type.rawValue)__\(event.receivedAt)__\(event.seq)", type: type,
            params: .object([InboxEvent.startingParam: event.value]))
        request.logicalDate = event.receivedAt
        request.eventID = event.eventID
        do {
            return (try createRun(request).runKey, nil)
        } catch let error as PerchError where error.code == .conflict {
            return (nil, error.message)
        }
    }

    /// A DAG is started by events from its deployment on, or from the change of its schedule.
    func setStartFloor(of definition: DAGDefinition, isKept: Bool) throws {
        guard case .events = definition.schedule else {
            try run("UPDATE dag SET start_floor = NULL WHERE dag_id = :1", definition.dagID)
            return
        }
        if isKept { return }
        try run("UPDATE dag SET start_floor = :2 WHERE dag_id = :1", definition.dagID, try lastEventSeq())
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

    /// What an event has started, by DAG.
    public func started(byEvent seq: Int64) throws -> [StartedRun] {
        try rows(
            """
            SELECT s.dag_id, r.run_id, s.reason FROM event_start s LEFT JOIN dag_run r ON r.run_key = s.run_key
            WHERE s.seq = :1 ORDER BY s.dag_id
            """, seq
        ) { StartedRun(dagID: $0.text(0), runID: $0.optionalText(1), reason: $0.optionalText(2)) }
    }
}
