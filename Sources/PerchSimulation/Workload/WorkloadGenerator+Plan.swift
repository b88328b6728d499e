// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

extension WorkloadGenerator {
    /// What clients and the world do: runs first, then what waits wait for, then whatever crosses them.
    mutating func drawPlan(_ workload: Workload) -> [PlannedOperation] {
        var plan: [PlannedOperation] = []
        var runs: [(dag: SimulatedDAG, runID: String, at: TimeSpan)] = []
        for dag in workload.dags {
            for index in 0..<number(in: limits.runsPerDAG) {
                let at = instant(chance(50) ? 20 : 70)
                let runID = "r\(index)"
                runs.append((dag, runID, at))
                plan.append(PlannedOperation(at: at, .trigger(dagID: dag.dagID, runID: runID)))
            }
        }
        var lastEvent = 0
        for run in runs {
            for (wait, timeout) in waits(of: run.dag) where chance(75) {
                plan += answer(to: wait, timeout, from: run.at, &lastEvent)
            }
        }
        for _ in 0..<number(in: limits.operations) {
            let run = one(of: runs)
            plan += cross(run.dag, run.runID, after: run.at, workload, &lastEvent)
        }
        // Equal instants keep the order in which they were drawn.
        return plan.enumerated().sorted { ($0.element.at, $0.offset) < ($1.element.at, $1.offset) }.map(\.element)
    }

    /// An instant in the first part, in percent, of the history.
    private mutating func instant(_ percent: Int) -> TimeSpan {
        span(0...Int(limits.horizon.microseconds / 1_000) * percent / 100)
    }

    private func waits(of dag: SimulatedDAG) -> [(SimulatedWait, timeout: TimeSpan?)] {
        dag.tasks.flatMap { task -> [(SimulatedWait, timeout: TimeSpan?)] in
            if case .sensor(let wait, let timeout, _) = task.kind { return [(wait, timeout)] }
            return task.script.actions.compactMap { action in
                if case .wait(_, let wait, let timeout, _) = action { (wait, timeout) } else { nil }
            }
        }
        .flatMap { wait, timeout in wait.leaves.map { ($0, timeout) } }
    }

    /// What a wait waits for comes: before the run, soon, at its deadline or a little beside it, or late.
    private mutating func answer(
        to wait: SimulatedWait, _ timeout: TimeSpan?, from start: TimeSpan, _ lastEvent: inout Int
    ) -> [PlannedOperation] {
        var at = start.microseconds
        switch number(in: 1...10) {
        case 1: at -= span(0...5_000).microseconds
        case 2...6: at += span(0...15_000).microseconds
        case 7...8: at += (timeout ?? .seconds(10)).microseconds + Int64(number(in: -1...1))
        default: at += (timeout ?? .seconds(10)).microseconds + span(-2_000...4_000).microseconds
        }
        let instant = TimeSpan(microseconds: min(max(0, at), limits.horizon.microseconds))
        switch wait {
        case .after, .at, .atLeast, .none: return []
        case .event(let name, let key):
            lastEvent += 1
            let event = Operation.emit(
                name: name, key: key ?? (chance(50) ? one(of: Self.eventKeys) : nil),
                eventID: chance(85) ? "e\(lastEvent)" : nil, value: lastEvent)
            var plan = [PlannedOperation(at: instant, event)]
            // The same event again, as senders do that had no answer.
            if chance(30) { plan.append(PlannedOperation(at: later(instant, 3_000), event)) }
            return plan
        case .file(let path, _, let minimumSize):
            let name = path == "/data/in/*.csv" ? Self.paths[1] : path
            let size = (minimumSize ?? 0) + number(in: -1...20)
            if chance(40) {
                return [
                    PlannedOperation(at: instant, .writeFile(path: name + ".part", size: max(0, size))),
                    PlannedOperation(at: later(instant, 2_000), .renameFile(from: name + ".part", to: name)),
                ]
            }
            var plan = [PlannedOperation(at: instant, .writeFile(path: name, size: max(0, size)))]
            if chance(30) {
                plan.append(PlannedOperation(at: later(instant, 3_000), .writeFile(path: name, size: 200)))
            }
            if chance(20) { plan.append(PlannedOperation(at: later(instant, 5_000), .removeFile(path: name))) }
            return plan
        case .http(let url, _, let status):
            var plan = [PlannedOperation(at: instant, .setAnswer(url: url, status: status))]
            if chance(40) {
                plan.append(
                    PlannedOperation(at: later(instant, 9_000), .setAnswer(url: url, status: one(of: [500, 404, nil]))))
            }
            return plan
        }
    }

    private mutating func later(_ instant: TimeSpan, _ most: Int) -> TimeSpan {
        TimeSpan(microseconds: min(limits.horizon.microseconds, instant.microseconds + span(0...most).microseconds))
    }

    /// Something that crosses a run.
    private mutating func cross(
        _ dag: SimulatedDAG, _ runID: String, after start: TimeSpan, _ workload: Workload, _ lastEvent: inout Int
    ) -> [PlannedOperation] {
        let at = later(start, Int(limits.horizon.microseconds / 1_000))
        let dagID = dag.dagID
        func planned(_ operation: Operation) -> [PlannedOperation] { [PlannedOperation(at: at, operation)] }
        switch number(in: 1...100) {
        case 1...8: return planned(.cancelRun(dagID: dagID, runID: runID))
        case 9...24:
            let task = one(of: dag.tasks)
            var mapIndex = -1
            if case .mapped = task.kind { mapIndex = number(in: -1...2) }
            return planned(
                .cancelTask(
                    dagID: dagID, runID: runID, taskID: task.id, mapIndex: mapIndex,
                    as: chance(70) ? .failed : .skipped))
        case 25...36: return planned(.cancelWait(dagID: dagID, place: number(in: 0...3)))
        case 37...50: return planned(.fireWait(dagID: dagID, place: number(in: 0...3)))
        case 51...72:
            let task = chance(80) ? one(of: dag.tasks) : nil
            var mapIndex: Int?
            if let task, case .mapped = task.kind, chance(50) { mapIndex = number(in: 0...2) }
            return planned(
                .clear(
                    dagID: dagID, runID: runID, taskID: task?.id, mapIndex: mapIndex, downstream: chance(60),
                    onlyFailed: chance(25)))
        case 73...82:
            return planned(.pause(dagID: dagID, isPaused: true)) + [
                PlannedOperation(at: later(at, 20_000), .pause(dagID: dagID, isPaused: false))
            ]
        case 83...90:
            guard !workload.pools.isEmpty else { return [] }
            let pool = one(of: workload.pools)
            // Never for good below what its tasks take at once, or they would wait for ever.
            return planned(.resizePool(name: pool.name, slots: number(in: 0...4))) + [
                PlannedOperation(at: later(at, 15_000), .resizePool(name: pool.name, slots: 3))
            ]
        case 91...95:
            lastEvent += 1
            return planned(
                .emit(name: one(of: Self.eventNames), key: nil, eventID: "e\(max(1, lastEvent - 2))", value: lastEvent))
        default: return planned(.clean(olderThan: span(10_000...90_000)))
        }
    }
}
