// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

extension Snapshot {
    /// Waits for people: filtered, in an order, a page at a time.
    ///
    /// By id a page costs no more than the rows that are looked at to fill it, also of a DAG that has most of all waits. Every other order looks at all of them and
    /// keeps a page.
    public func waits(_ filter: WaitFilter) throws -> [WaitRow] {
        var conditions = QueryConditions()
        // An expression goes by no index: waits are then looked through in the order of their ids.
        let dag = try haveManyWaits(filter) ? "COALESCE(r.dag_id, '')" : "r.dag_id"
        conditions.add("\(dag) =", filter.dagID)
        conditions.add(dag, in: filter.dagIDs)
        conditions.add("r.run_id =", filter.runID)
        conditions.add("w.kind =", filter.kind)
        conditions.add("w.since <", filter.registeredBefore)
        if let part = filter.targetContains {
            let escaped = part.map { "%_!".contains($0) ? "!\($0)" : String($0) }.joined()
            conditions.texts.append("w.target {like} \(conditions.place("%" + escaped + "%")) ESCAPE '!'")
        }
        if let instant = filter.nextBy {
            let place = conditions.place(instant)
            conditions.texts.append("(w.due_at <= \(place) OR w.deadline <= \(place))")
        }
        if let taskID = filter.taskID {
            guard let condition = try condition(ofTask: taskID, dagID: filter.dagID) else { return [] }
            conditions.texts.append(condition)
        }
        if let owner = filter.owner {
            let ids = try processes(role: TriggererRow.role).filter { $0.name == owner }.map { String($0.processID) }
            guard !ids.isEmpty else { return [] }
            conditions.texts.append(
                """
                EXISTS (SELECT 1 FROM shard s WHERE s.queue = w.queue AND s.shard = w.shard
                    AND s.owner IN (\(ids.joined(separator: ", "))))
                """)
        }
        let order = Self.order(filter, &conditions)
        var found: [WaitRow] = []
        try connection.query(
            text: """
                SELECT w.wait_id, w.ti_id, r.dag_id, r.run_id, r.version_id, t.task_index, t.map_index, w.try_number,
                    w.journal_key, w.kind, w.target, w.due_at, w.deadline, w.since, w.is_sensor, w.shard, w.host, w.queue,
                    w.definition, w.progress, w.event_floor
                FROM wait w JOIN task_instance t ON t.ti_id = w.ti_id JOIN dag_run r ON r.run_key = t.run_key
                WHERE \(conditions.text) ORDER BY \(order) LIMIT \(conditions.place(filter.limit))
                """, conditions.values
        ) { row in found.append(try waitRow(row)) }
        return found
    }

    /// Whether the DAGs that are asked for have so many waits that a page of them is found sooner among all waits, in their
    /// order, than by going through all of theirs.
    private func haveManyWaits(_ filter: WaitFilter) throws -> Bool {
        guard filter.sort == .id, filter.runID == nil, filter.dagID != nil || filter.dagIDs != nil else { return false }
        let many = 2_000
        var (conditions, count) = (QueryConditions(), 0)
        conditions.add("r.dag_id =", filter.dagID)
        conditions.add("r.dag_id", in: filter.dagIDs)
        try connection.query(
            text: """
                SELECT 1 FROM dag_run r JOIN task_instance t ON t.run_key = r.run_key JOIN wait w ON w.ti_id = t.ti_id
                WHERE \(conditions.text) LIMIT \(conditions.place(many))
                """, conditions.values
        ) { _ in count += 1 }
        return count == many
    }

    /// The order of a listing, and the condition that its page comes after the last one.
    private static func order(_ filter: WaitFilter, _ conditions: inout QueryConditions) -> String {
        let direction = filter.isReversed ? "DESC" : "ASC"
        let comparison = filter.isReversed ? "<" : ">"
        let last = filter.isReversed ? Int64.min : .max
        func add(_ key: String, _ value: (WaitPlace) -> some SQLConvertible) -> String {
            if let after = filter.after {
                let place = "(\(conditions.place(value(after))), \(conditions.place(after.waitID)))"
                conditions.texts.append("(\(key), w.wait_id) \(comparison) \(place)")
            }
            return "\(key) \(direction), w.wait_id \(direction)"
        }
        // The lowest integer cannot be written as one.
        let none = filter.isReversed ? "(-9223372036854775807 - 1)" : "9223372036854775807"
        switch filter.sort {
        case .id:
            conditions.add("w.wait_id \(comparison)", filter.after?.waitID)
            return "w.wait_id \(direction)"
        case .since: return add("w.since") { $0.since }
        case .due: return add("COALESCE(w.due_at, \(none))") { $0.due?.microseconds ?? last }
        case .deadline: return add("COALESCE(w.deadline, \(none))") { $0.deadline?.microseconds ?? last }
        case .target: return add("w.target") { $0.target }
        }
    }

    /// The condition that a wait is of a task: its name stands in the DAG's versions. Nil where no version has it.
    private func condition(ofTask taskID: String, dagID: String?) throws -> String? {
        let versions = try rows(
            "SELECT version_id FROM dag_version WHERE CAST(:1 AS TEXT) IS NULL OR dag_id = :1 ORDER BY version_id",
            dagID
        ) { $0.int64(0) }
        var byIndex: [Int: [String]] = [:]
        for version in versions {
            guard let index = try self.version(version).tasks.firstIndex(where: { $0.taskID == taskID }) else {
                continue
            }
            byIndex[index, default: []].append(String(version))
        }
        guard !byIndex.isEmpty else { return nil }
        let parts = byIndex.sorted { $0.key < $1.key }.map { index, versions in
            "(t.task_index = \(index) AND r.version_id IN (\(versions.joined(separator: ", "))))"
        }
        return "(" + parts.joined(separator: " OR ") + ")"
    }
}

extension ProcessRow {
    /// As people see it: `host:pid`.
    public var name: String { "\(host):\(pid)" }
}
