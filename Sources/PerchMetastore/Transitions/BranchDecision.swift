// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// What the end of one task says to those after it: all the same, or by what it gave.
struct BranchDecision {
    private enum Kind {
        case plain
        case cut
        case branch(upstream: Int, output: JSONValue)
    }
    private let kind: Kind

    /// The end of a task that decides nothing, or was skipped by a short circuit.
    init(isCut: Bool) { kind = isCut ? .cut : .plain }

    /// The success of a task whose output decides.
    init(of task: TaskDefinition, at index: Int, output: JSONValue) {
        kind = task.shortCircuits && output != .bool(true) ? .cut : .branch(upstream: index, output: output)
    }

    /// What it says to one task.
    func way(to task: TaskDefinition) -> Settlement.Way {
        switch kind {
        case .plain: return .taken
        // Clean-up is decided by its setups.
        case .cut: return task.teardown == nil ? .cut : .taken
        case .branch(let upstream, let output):
            guard let edge = task.branches.first(where: { $0.upstream == upstream }) else { return .taken }
            return edge.isTaken(by: output) ? .taken : .untaken
        }
    }
}

extension Transaction {
    /// What an end says to the tasks after it.
    func decision(
        of place: TaskPlace, mapIndex: Int = -1, ended state: TaskState, isCut: Bool
    ) throws -> BranchDecision {
        let version = try facts(ofRun: place.runKey).version
        guard state == .success, version.deciding.contains(place.taskIndex) else { return BranchDecision(isCut: isCut) }
        let text = try first(
            "SELECT output FROM task_instance WHERE run_key = :1 AND task_index = :2 AND map_index = :3", place.runKey,
            place.taskIndex, mapIndex
        ) { $0.optionalText(0) }
        // A task that gave nothing leads along no branch.
        let output = try text.flatMap(\.self).map { try JSONValue(parsingEnvelope: $0) } ?? .null
        return BranchDecision(of: version.tasks[place.taskIndex], at: place.taskIndex, output: output)
    }
}

extension UpstreamCounts {
    /// Of so many, those that have ended.
    init(all: Int, _ ends: Settlement.Ends) {
        self.init(
            all: all, pending: all - ends.all, failed: ends.failed, blocked: ends.blocked, skipped: ends.skipped,
            untaken: ends.untaken, cut: ends.cut)
    }

    /// The columns pending, upstream_failed, upstream_blocked, upstream_skipped, upstream_untaken, upstream_cut, in this
    /// order. `all` is the definition's to say.
    init(_ row: borrowing SQLRow, from column: Int32) {
        self.init(
            all: 0, pending: row.int(column), failed: row.int(column + 1), blocked: row.int(column + 2),
            skipped: row.int(column + 3), untaken: row.int(column + 4), cut: row.int(column + 5))
    }
}
