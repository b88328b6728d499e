// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// A pool as it stands.
public struct PoolRow: Sendable, Hashable {
    public var name: String
    public var slots: Int
    public var description: String
    /// Whether tasks that wait keep their slots.
    public var includesDeferred: Bool
    /// How many tasks may wait; nil: any number.
    public var maxDeferred: Int?
    /// Slots that are held by what is queued or runs, or waits, where that counts.
    public var used: Int
    /// Instances that are queued, and that run.
    public var queued: Int
    public var running: Int
    /// Instances that wait for what their triggers say, where the pool counts them.
    public var deferred: Int
    /// Instances that wait for room before it.
    public var waiting: Int

    /// None where a pool that shrank has given out more than it has now.
    public var free: Int { max(0, slots - used) }

    /// How many tasks of a pool may wait.
    public enum MostDeferred: Sendable, Hashable {
        case unlimited
        case at(Int)

        /// A number, or nil for any.
        public init(_ count: Int?) { self = count.map { .at($0) } ?? .unlimited }

        /// Nil: any number.
        public var count: Int? { if case .at(let count) = self { count } else { nil } }
    }
}

/// A dispatch or a wait that holds slots of a pool.
public struct PoolHolder: Sendable, Hashable {
    public var key: TaskInstanceKey
    public var state: TaskState
    public var slots: Int
}

extension Snapshot {
    /// Who holds slots of a pool: those that hold most, then the oldest.
    public func poolHolders(_ name: String, limit: Int) throws -> [PoolHolder] {
        try rows(
            """
            SELECT r.dag_id, r.run_id, r.version_id, t.task_index, t.map_index, t.state, s.slots
            FROM (
                SELECT dispatch_id AS place, ti_id, slots FROM pool_slot WHERE pool = :1
                UNION ALL
                SELECT w.wait_id, w.ti_id, h.slots FROM wait_slot h JOIN wait w ON w.wait_id = h.wait_id
                WHERE h.gate = :1
            ) AS s JOIN task_instance t ON t.ti_id = s.ti_id JOIN dag_run r ON r.run_key = t.run_key
            ORDER BY s.slots DESC, s.place LIMIT :2
            """, name, limit
        ) { try PoolHolder($0, self) }
    }

    /// Every pool, by name.
    public func pools() throws -> [PoolRow] {
        let waiting = try gatesWaitedFor()
        return try rows(
            "SELECT name, slots, description, used, include_deferred, max_deferred FROM pool ORDER BY name"
        ) { row in
            let name = row.text(0)
            return PoolRow(
                name: name, slots: row.int(1), description: row.text(2), includesDeferred: row.bool(4),
                maxDeferred: row.isNull(5) ? nil : row.int(5), used: row.int(3), queued: 0, running: 0, deferred: 0,
                waiting: waiting[name, default: 0] + waiting[Transaction.deferredLimit(of: name), default: 0])
        }.map { pool in
            var pool = pool
            let held = try rows(
                """
                SELECT t.state, COUNT(*) FROM pool_slot s JOIN task_instance t ON t.ti_id = s.ti_id
                WHERE s.pool = :1 GROUP BY t.state
                """, pool.name
            ) { (state: try $0.name(0, as: TaskState.self), count: $0.int(1)) }
            pool.queued = held.filter { $0.state == .queued }.reduce(0) { $0 + $1.count }
            let waits = try number(
                "SELECT COUNT(DISTINCT wait_id) FROM wait_slot WHERE gate = :1 OR gate = :2", pool.name,
                Transaction.deferredLimit(of: pool.name))
            pool.deferred = Int(waits ?? 0)
            pool.running = held.filter { $0.state == .running }.reduce(0) { $0 + $1.count }
            return pool
        }
    }

    /// One pool; nil where there is none of this name.
    public func pool(_ name: String) throws -> PoolRow? {
        try pools().first { $0.name == name }
    }

    /// How many instances wait for room, by pool; pools that do not exist among them.
    public func poolsWaitedFor() throws -> [String: Int] {
        try gatesWaitedFor().filter { !TaskDefinition.isLimit($0.key) }
    }

    private func gatesWaitedFor() throws -> [String: Int] {
        let counts = try rows(
            """
            SELECT pool, COUNT(*) FROM task_instance WHERE state = 'scheduled' AND is_held = 0 GROUP BY pool
            UNION ALL SELECT pool, COUNT(*) FROM task_instance WHERE state = 'scheduled' AND is_held = 2 GROUP BY pool
            """
        ) { ($0.text(0), $0.int(1)) }
        return Dictionary(counts) { $0 + $1 }
    }

    /// The active DAGs of which tasks name a pool, with those tasks.
    public func users(ofPool name: String) throws -> [(dagID: String, taskIDs: [String])] {
        try dags().filter(\.isActive).compactMap { dag in
            let tasks = try definition(ofVersion: dag.versionID).tasks.filter { $0.pool == name }.map(\.taskID)
            return tasks.isEmpty ? nil : (dag.dagID, tasks)
        }
    }
}

extension PoolHolder {
    /// The columns dag_id, run_id, version_id, task_index, map_index, state, slots, of a snapshot that knows the version.
    init(_ row: borrowing SQLRow, _ snapshot: Snapshot) throws {
        let task = try snapshot.version(row.int64(2)).tasks[row.int(3)]
        self.init(
            key: TaskInstanceKey(dagID: row.text(0), runID: row.text(1), taskID: task.taskID, mapIndex: row.int(4)),
            state: try row.name(5), slots: row.int(6))
    }
}
