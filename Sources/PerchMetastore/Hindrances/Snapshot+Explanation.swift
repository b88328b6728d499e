// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension Snapshot {
    /// Instances of one state of which an explanation tells at most.
    private static let mostTold = 100
    /// Names that a group of instances has at most.
    private static let mostNamed = 20

    /// Why a task instance does not run, or what it does. Empty where the run has no such task or no such instance.
    public func hindrances(_ key: TaskInstanceKey, isEngineRunning: Bool) throws -> [Hindrance] {
        guard let row = try run(dagID: key.dagID, runID: key.runID) else { return [] }
        let board = try RunBoard(row, self)
        guard let index = board.version.tasks.firstIndex(where: { $0.taskID == key.taskID }) else { return [] }
        let run = try runStanding(row, isEngineRunning: isEngineRunning)
        if let instance = try taskInstance(runKey: row.runKey, taskIndex: index, mapIndex: key.mapIndex) {
            return Hindrance.of(try taskStanding(instance, in: run, board))
        }
        let mapping = board.entries[index]?.mapping
        // Of a mapped task -1 means the task itself, until all of its instances are there.
        let isToCome: Bool
        if let mapping {
            isToCome =
                mapping.created < mapping.length && key.mapIndex < mapping.length
                && (key.mapIndex < 0 || key.mapIndex >= mapping.created)
        } else {
            isToCome = key.mapIndex < 0
        }
        guard isToCome else { return [] }
        return Hindrance.of(taskStanding(ofUncreated: index, in: run, board))
    }

    /// Why a run stands where it stands: the run as a whole, and what its instances do that are under way or failed.
    ///
    /// - Parameter taskID: Only this task's instances, in whatever state.
    public func explanation(
        of row: RunRow, taskID: String? = nil, isEngineRunning: Bool
    ) throws -> RunExplanation {
        let board = try RunBoard(row, self)
        let run = try runStanding(row, isEngineRunning: isEngineRunning)
        let index = taskID.flatMap { taskID in board.version.tasks.firstIndex { $0.taskID == taskID } }
        var explanation = RunExplanation(
            run: row, reasons: taskID == nil ? Hindrance.of(run) : [], states: [], groups: [], untold: [])
        let counts = try counts(of: row, taskIndex: index)
        explanation.states = TaskState.allCases.compactMap { state in counts[state].map { (state, $0) } }
        var told: [TaskState] = [.failed, .running, .queued, .scheduled, .deferred, .upForRetry]
        if taskID != nil {
            told = TaskState.allCases
        } else if row.state == .running, !told.dropFirst().contains(where: { counts[$0] != nil }) {
            // Nothing else is under way: then what has not begun has to say why.
            told.append(.none)
        }
        for state in told {
            guard let count = counts[state] else { continue }
            let instances = try taskInstances(row, taskIndex: index, in: state, limit: Self.mostTold)
            for instance in instances {
                let reasons = Hindrance.of(try taskStanding(instance, in: run, board))
                    .filter { reason in !explanation.reasons.contains { $0.kind == reason.kind } }
                for reason in reasons { explanation.add(reason, of: instance.key, mostNamed: Self.mostNamed) }
            }
            if count > instances.count { explanation.untold.append((state, count - instances.count)) }
        }
        return explanation
    }

    private func counts(of row: RunRow, taskIndex: Int?) throws -> [TaskState: Int] {
        let counts = try rows(
            """
            SELECT state, COUNT(*) FROM task_instance
            WHERE run_key = :1 AND (CAST(:2 AS BIGINT) IS NULL OR task_index = :2) GROUP BY state
            """, row.runKey, taskIndex
        ) { (try $0.name(0, as: TaskState.self), $0.int(1)) }
        return Dictionary(counts) { $0 + $1 }
    }
}

extension RunExplanation {
    /// Adds an instance's reason to the group of those that have the same.
    fileprivate mutating func add(_ reason: Hindrance, of key: TaskInstanceKey, mostNamed: Int) {
        let same = groups.firstIndex { $0.reason.kind == reason.kind && $0.reason.subject == reason.subject }
        guard let same else {
            groups.append(Group(reason: reason, tasks: [key], count: 1))
            return
        }
        groups[same].count += 1
        groups[same].reason = groups[same].reason.joined(with: reason)
        if groups[same].tasks.count < mostNamed { groups[same].tasks.append(key) }
    }
}

extension Hindrance {
    /// One reason for what has two: of waits for the same, each with a deadline of its own, the range of them.
    fileprivate func joined(with other: Hindrance) -> Hindrance {
        guard kind == .deferred, case .string(let waitsFor)? = fields["kind"],
            case .string(let target)? = fields["target"]
        else { return self }
        var joined = fields
        joined["wait_id"] = .null
        var deadlines: [Timestamp?] = []
        for fields in [fields, other.fields] {
            deadlines.append(Self.instant(fields["deadline"]))
            // Of a reason that joins some already.
            if let last = fields["last_deadline"] { deadlines.append(Self.instant(last)) }
        }
        let sinces = [fields, other.fields].compactMap { Self.instant($0["since"]) }
        let known = deadlines.compactMap(\.self)
        let endless = known.count < deadlines.count
        joined["since"] = .instant(sinces.min())
        joined["deadline"] = .instant(known.min())
        joined["last_deadline"] = endless ? .null : .instant(known.max())
        var text = "It waits for \(waitsFor) \(target)"
        if let since = sinces.min() { text += ", the first since \(since)" }
        text += "."
        if let first = known.min(), let last = known.max() {
            text += first == last ? " It times out at \(first)." : " It times out between \(first) and \(last)."
            if endless { text += " Some never time out." }
        } else {
            text += " It never times out."
        }
        return Hindrance(.deferred, text, joined)
    }

    private static func instant(_ value: JSONValue?) -> Timestamp? {
        // What is no instant stands for none.
        guard case .string(let text)? = value else { return nil }
        return try? Timestamp(parsing: text)  // because it was written by this same room
    }

    /// What reasons of one kind have in common where one sentence serves all of them.
    fileprivate var subject: JSONValue {
        switch kind {
        case .poolFull, .poolUnknown, .poolTooSmall: fields["pool"] ?? .null
        case .limitFull: fields["limit"] ?? .null
        case .queued, .running, .noEngine, .noWorker, .noBundle, .dagPaused, .dagRemoved, .succeeded: .null
        case .notWatched: fields["queue"] ?? .null
        case .deferred: .array([fields["kind"] ?? .null, fields["target"] ?? .null])
        default: .string(text)
        }
    }
}
