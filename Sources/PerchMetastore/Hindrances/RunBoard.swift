// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// How the tasks of a run stand, each as a whole; read once for however many are asked about.
struct RunBoard {
    struct Entry {
        /// Nil while the instances of a mapped task have not all ended.
        var state: TaskState?
        var message: String?
        /// Whether a short circuit skipped it.
        var isCut = false
        /// Of a mapped task.
        var instances: (ended: Int, all: Int)?
        var mapping: (created: Int, length: Int)?
        /// Of which element it is, where it is one instance of a mapped task.
        var mapIndex: Int?
    }

    let version: DAGVersion
    /// By task; nil where nothing is created yet.
    private(set) var entries: [Entry?]
    /// Whether it shows one element of a mapped group.
    private var isOfElement = false

    init(_ run: RunRow, _ snapshot: Snapshot) throws {
        version = try snapshot.version(run.versionID)
        var entries = [Entry?](repeating: nil, count: version.tasks.count)
        try snapshot.each(
            """
            SELECT task_index, state, message, upstream_cut FROM task_instance
            WHERE run_key = :1 AND map_index = -1 ORDER BY task_index
            """, run.runKey
        ) { row in
            entries[row.int(0)] = Entry(
                state: try row.name(1, as: TaskState.self), message: row.optionalText(2), isCut: row.int(3) > 0)
        }
        let version = version
        try snapshot.each(
            """
            SELECT task_index, length, created, unfinished, failed, skipped FROM mapped_task
            WHERE run_key = :1 ORDER BY task_index
            """, run.runKey
        ) { row in
            let (index, length, unfinished) = (row.int(0), row.int(1), row.int(3))
            entries[index] = Entry(
                state: unfinished > 0
                    ? nil
                    : version.tasks[index].state(ofInstances: length, failed: row.int(4), skipped: row.int(5)),
                instances: (length - unfinished, length), mapping: (row.int(2), length))
        }
        self.entries = entries
    }

    /// The same board with one element of a mapped group in place of its tasks: what comes before one of them in the group.
    func element(_ mapIndex: Int, before index: Int, runKey: Int64, _ snapshot: Snapshot) throws -> RunBoard {
        var board = self
        board.isOfElement = true
        var next = version.tasks[index].alignedWith
        var seen: Set<Int> = []
        while let before = next.popLast() {
            guard seen.insert(before).inserted else { continue }
            next += version.tasks[before].alignedWith
            board.entries[before] = try snapshot.first(
                """
                SELECT state, message, upstream_cut, map_index FROM task_instance
                WHERE run_key = :1 AND task_index = :2 AND map_index IN (:3, -1)
                """, runKey, before, mapIndex
            ) { row in
                Entry(
                    state: try row.name(0, as: TaskState.self), message: row.optionalText(1), isCut: row.int(2) > 0,
                    mapIndex: row.int(3) < 0 ? nil : row.int(3))
            }
        }
        return board
    }

    /// What a task comes after, as this board shows it.
    private func before(_ index: Int) -> [Int] {
        isOfElement ? version.tasks[index].alignedWith : version.tasks[index].upstream
    }

    /// The tasks directly before a task, with what their ends say to it. `output` is asked for what decides by it.
    func upstream(of index: Int, output: (Int) throws -> String?) throws -> [UpstreamStanding] {
        try before(index).map { upstream in
            var standing = self.standing(of: upstream)
            if !isOfElement, version.tasks[index].alignedWith.contains(upstream), entries[upstream]?.mapping != nil {
                // It is mapped, and that is all that the other waits for to be mapped too.
                standing.state = .success
                return standing
            }
            guard let state = standing.state else { return standing }
            if state == .success, version.deciding.contains(upstream) {
                standing.output = try output(upstream)
                let decision = BranchDecision(
                    of: version.tasks[upstream], at: upstream,
                    output: try standing.output.map { try JSONValue(parsingEnvelope: $0) } ?? .null)
                standing.way = decision.way(to: version.tasks[index])
            } else if state == .skipped, entries[upstream]?.isCut == true {
                standing.way = BranchDecision(isCut: true).way(to: version.tasks[index])
            }
            return standing
        }
    }

    private func standing(of index: Int) -> UpstreamStanding {
        let entry = entries[index]
        return UpstreamStanding(
            taskID: version.tasks[index].taskID, state: entry?.state, instances: entry?.instances,
            message: entry?.message, mapIndex: entry?.mapIndex)
    }

    /// What began that a task did not run: the nearest tasks before it that failed themselves, that cut short what follows,
    /// or that were skipped of themselves.
    func causes(of index: Int, _ end: TaskState, isCut: Bool) -> [UpstreamStanding] {
        var causes: [UpstreamStanding] = []
        var seen: Set<Int> = [index]
        var next = before(index)
        while !next.isEmpty, causes.count < 100 {
            var further: [Int] = []
            for upstream in next where seen.insert(upstream).inserted {
                guard let entry = entries[upstream] else { continue }
                switch entry.state {
                case .failed where !isCut: causes.append(standing(of: upstream))
                case .upstreamFailed where end == .upstreamFailed: further += before(upstream)
                case .success where isCut && version.tasks[upstream].shortCircuits:
                    causes.append(standing(of: upstream))
                case .skipped where isCut && entry.isCut: further += before(upstream)
                case .skipped where end == .skipped && !isCut: causes.append(standing(of: upstream))
                default: break
                }
            }
            next = further
        }
        return causes
    }
}
