// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Ticks that the timetable of a DAG is to tell: those after an instant.
public struct TickWant: Hashable, Sendable {
    public var dagID: String
    public var after: Timestamp

    /// A want from its parts.
    public init(dagID: String, after: Timestamp) {
        self.dagID = dagID
        self.after = after
    }
}

/// The ticks of timetables in code. The schedule reads what is stored; where that ends it wants more, and waits: the bundle
/// is asked, and its answer stored as links, each from an instant to the first tick after it.
extension Transaction {
    /// So many ticks of a DAG are kept; older ones go.
    private static let mostTicks = 10_000

    /// Has the bundle asked for the ticks after an instant, as far as another one where that is given.
    public func wantTicks(of dagID: String, after: Timestamp, until: Timestamp? = nil) throws {
        try run(
            """
            INSERT INTO timetable_want (dag_id, after, until) VALUES (:1, :2, :3)
            ON CONFLICT (dag_id, after) DO UPDATE SET until = COALESCE(excluded.until, timetable_want.until)
            """, dagID, after, until)
        ring(.timetables)
    }

    /// Stores what a timetable has told of the ticks after an instant, and has the schedule go on. What nobody wants any more
    /// is dropped: the timetable was changed meanwhile, or the answer has come twice.
    public func storeTicks(
        of dagID: String, after: Timestamp, _ ticks: [TimetableTick], isLast: Bool, problem: String?
    ) throws {
        let want = try first(
            "SELECT until FROM timetable_want WHERE dag_id = :1 AND after = :2 {for_update}", dagID, after
        ) { $0.optionalTime(0) }
        guard let want else { return }
        let fault = problem ?? Self.fault(in: ticks, after: after, isLast: isLast)
        if let fault {
            try run(
                "UPDATE timetable_want SET problem = :3 WHERE dag_id = :1 AND after = :2", dagID, after, fault)
            return
        }
        try run("DELETE FROM timetable_want WHERE dag_id = :1 AND after = :2", dagID, after)
        var last = after
        for tick in ticks {
            try storeLink(of: dagID, after: last, tick)
            last = tick.at
        }
        if isLast { try storeLink(of: dagID, after: last, nil) }
        try run(
            """
            DELETE FROM timetable_tick WHERE dag_id = :1 AND at < (
                SELECT at FROM timetable_tick WHERE dag_id = :1 AND at IS NOT NULL ORDER BY at DESC LIMIT 1 OFFSET :2)
            """, dagID, Self.mostTicks)
        if let until = want, last < until, !isLast { try wantTicks(of: dagID, after: last, until: until) }
        try run("UPDATE dag SET is_scheduled = 0 WHERE dag_id = :1 AND is_scheduled = 3", dagID)
        ring(.runs)
    }

    private func storeLink(of dagID: String, after: Timestamp, _ tick: TimetableTick?) throws {
        try run(
            """
            INSERT INTO timetable_tick (dag_id, after, at, interval_start, interval_end) VALUES (:1, :2, :3, :4, :5)
            ON CONFLICT (dag_id, after) DO UPDATE SET at = excluded.at, interval_start = excluded.interval_start,
                interval_end = excluded.interval_end
            """, dagID, after, tick?.at, tick?.intervalStart, tick?.intervalEnd)
    }

    private static func fault(in ticks: [TimetableTick], after: Timestamp, isLast: Bool) -> String? {
        if ticks.isEmpty, !isLast { return "the timetable told no tick after \(after), nor that there is none" }
        var last = after
        for tick in ticks {
            guard tick.at > last, tick.intervalStart <= tick.intervalEnd else {
                return "the timetable told \(tick.at) as the first tick after \(last)"
            }
            last = tick.at
        }
        return nil
    }

    /// The code of a DAG's timetable may be another: what it has told of the time to come is forgotten.
    func forgetTicks(of dagID: String) throws {
        try run("DELETE FROM timetable_tick WHERE dag_id = :1 AND (at IS NULL OR at > :2)", dagID, now)
        try run("DELETE FROM timetable_want WHERE dag_id = :1", dagID)
        try run(
            """
            UPDATE dag SET is_scheduled = CASE WHEN is_scheduled = 2 THEN 2 ELSE 0 END,
                next_run_at = CASE WHEN next_run_at > :2 THEN NULL ELSE next_run_at END
            WHERE dag_id = :1
            """, dagID, now)
    }

    func deleteTicks(of dagID: String) throws {
        try run("DELETE FROM timetable_tick WHERE dag_id = :1", dagID)
        try run("DELETE FROM timetable_want WHERE dag_id = :1", dagID)
    }

    /// Has the bundle asked for what is not known of the ticks of a span of time. True where all of it is known.
    /// - Throws: `unavailable` with the timetable's own words, where it could not tell them.
    public func wantTicks(of dagID: String, from: Timestamp, to: Timestamp) throws -> Bool {
        let ticks = try storedTicks(of: dagID)
        var instant = from + TimeSpan(microseconds: -1)
        while true {
            switch ticks.next(after: instant) {
            case .never: return true
            case .tick(let tick) where tick > to: return true
            case .tick(let tick): instant = tick
            case .unknown(let after):
                if let problem = try tickProblem(of: dagID) {
                    throw PerchError(.unavailable, "the timetable of '\(dagID)' cannot tell its dates: \(problem)")
                }
                try wantTicks(of: dagID, after: after, until: to)
                return false
            }
        }
    }
}

extension Snapshot {
    /// What the bundle's timetables are to be asked.
    public func tickWants(bundle: String) throws -> [TickWant] {
        try rows(
            """
            SELECT w.dag_id, w.after FROM timetable_want w JOIN dag d ON d.dag_id = w.dag_id
            WHERE d.bundle = :1 AND d.is_active = 1 ORDER BY w.dag_id, w.after
            """, bundle
        ) { TickWant(dagID: $0.text(0), after: $0.time(1)) }
    }

    /// What a timetable has told.
    public func storedTicks(of dagID: String) throws -> StoredTicks {
        StoredTicks(
            try rows(
                "SELECT after, at, interval_start, interval_end FROM timetable_tick WHERE dag_id = :1", dagID
            ) { row in
                let tick = row.optionalTime(1).map {
                    TimetableTick(at: $0, intervalStart: row.time(2), intervalEnd: row.time(3))
                }
                return StoredTicks.Link(after: row.time(0), tick: tick)
            })
    }

    /// Why a timetable could not tell its ticks; nil where it could.
    public func tickProblem(of dagID: String) throws -> String? {
        try first("SELECT problem FROM timetable_want WHERE dag_id = :1 AND problem IS NOT NULL LIMIT 1", dagID) {
            $0.text(0)
        }
    }

    /// The instants for which runs of a DAG are created by time, those that its timetable has told among them; nil where
    /// they are created otherwise, or not at all.
    public func ticks(of definition: DAGDefinition) throws -> ScheduleTicks? {
        if case .timetable = definition.schedule { return .stored(try storedTicks(of: definition.dagID)) }
        return try definition.ticks()
    }
}
