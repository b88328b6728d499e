// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// What has ended in a transaction and is still to be told to what comes after it, summed up: a thousand sensors with one
/// successor cost it one row change.
final class Settlement {
    /// Ends, counted.
    struct Ends {
        var all = 0
        var failed = 0
        var blocked = 0
        var skipped = 0
        var untaken = 0
        var cut = 0

        mutating func add(_ state: TaskState, by way: Way = .taken) {
            all += 1
            switch state {
            case .upstreamFailed:
                failed += 1
                blocked += 1
            case .failed: failed += 1
            case .skipped, .removed: skipped += 1
            case .success where way != .taken: skipped += 1
            default: break
            }
            switch way {
            case .taken: break
            case .untaken: untaken += 1
            case .cut: cut += 1
            }
        }
    }

    /// What an end says along one edge, beyond its state.
    enum Way {
        case taken
        /// The task's output leads elsewhere.
        case untaken
        /// A short circuit: this edge leads on to nothing, and what comes behind it neither.
        case cut
    }

    /// A clear is under way: what it takes back must not begin again before all of it is taken back and counted.
    var isClearing = false
    /// Many waits end at once: what is the same for many tasks is stored together, before anybody is told of an end.
    var gathers = false
    /// Instances that ended or were added, by run.
    private(set) var runs: [Int64: (ends: Ends, added: Int)] = [:]
    /// Instances of mapped tasks that ended.
    private(set) var mapped: [TaskPlace: Ends] = [:]
    /// What ended, to be told to what comes after, in order.
    private(set) var tasks: [End] = []

    /// The end of a task or of an instance.
    struct End {
        /// To whom it is told.
        enum Reach {
            /// To everything after the task: it ended without having been mapped, or is not mapped at all.
            case everything
            /// To what waits for all instances of a mapped task together.
            case gathering
            /// To what comes after a mapped task element by element, of all elements: it has been mapped, which is its
            /// success for now.
            case elementwise
            /// To instances of the same element.
            case element(Int)
        }

        var place: TaskPlace
        var state: TaskState
        /// Whether a short circuit skipped it.
        var isCut = false
        var reach = Reach.everything
    }
    /// Sensors that ended with success, whose rows do not say so yet.
    private var met: [SensorEnd] = []
    private var waits: [EndedWait] = []
    private var queued: [Queueing] = []
    /// Tasks that have succeeded, with the assets that they update.
    private var updates: [(place: TaskPlace, assets: [String])] = []
    /// What ended, to be told to who waits for it.
    var reached = ReachedEnds()

    /// An instance has ended for good.
    ///
    /// - Parameter isFollowed: Whether something comes after it element by element.
    func ended(_ instance: Instance, as state: TaskState, isCut: Bool = false, isFollowed: Bool = false) {
        runs[instance.runKey, default: (Ends(), 0)].ends.add(state)
        reached.add(instance.place, mapIndex: instance.mapIndex, state)
        if instance.mapIndex >= 0 {
            mapped[instance.place, default: Ends()].add(state)
            guard isFollowed else { return }
            tasks.append(End(place: instance.place, state: state, isCut: isCut, reach: .element(instance.mapIndex)))
        } else {
            tasks.append(End(place: instance.place, state: state, isCut: isCut))
        }
    }

    /// A sensor has got what it waited for; its row is written with those of others, before anybody is told.
    func met(_ sensor: SensorEnd) { met.append(sensor) }

    /// A wait of code has ended; its journal is written with those of others.
    func ended(_ wait: EndedWait) { waits.append(wait) }

    /// A task goes into the queue; its row is written with those of others.
    func queue(_ queueing: Queueing) { queued.append(queueing) }

    /// A mapped task has ended as a whole; its instances were counted one by one.
    func mappedTaskEnded(_ place: TaskPlace, as state: TaskState) {
        reached.add(place, mapIndex: -1, state)
        tasks.append(End(place: place, state: state, reach: .gathering))
    }

    /// A task has been mapped: what comes after it element by element is mapped next.
    func mapped(_ place: TaskPlace) {
        tasks.append(End(place: place, state: .success, reach: .elementwise))
    }

    /// A run has ended.
    func runEnded(_ runKey: Int64, as state: RunState) {
        reached.add(runKey: runKey, state)
    }

    /// A task has succeeded that updates assets.
    func note(_ outlets: [String], of place: TaskPlace) {
        if !outlets.isEmpty { updates.append((place, outlets)) }
    }

    /// A run has more instances than it had.
    func added(_ count: Int, to runKey: Int64) {
        runs[runKey, default: (Ends(), 0)].added += count
    }

    /// A run that is to be looked at though nothing ended: it may have no tasks.
    func touch(runKey: Int64) {
        runs[runKey, default: (Ends(), 0)].added += 0
    }

    var hasNews: Bool { !mapped.isEmpty || !tasks.isEmpty }
    var isSettled: Bool { met.isEmpty && waits.isEmpty && queued.isEmpty && !hasNews && runs.isEmpty }

    func takeMapped() -> [(TaskPlace, Ends)] {
        defer { mapped = [:] }
        return mapped.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    func takeTasks() -> [End] {
        defer { tasks = [] }
        return tasks
    }

    func takeMet() -> [SensorEnd] {
        defer { met = [] }
        return met
    }

    func takeWaits() -> [EndedWait] {
        defer { waits = [] }
        return waits
    }

    func takeQueued() -> [Queueing] {
        defer { queued = [] }
        return queued
    }

    func takeUpdates() -> [(place: TaskPlace, assets: [String])] {
        defer { updates = [] }
        return updates
    }

    func takeRuns() -> [(runKey: Int64, ends: Ends, added: Int)] {
        defer { runs = [:] }
        return runs.sorted { $0.key < $1.key }.map { ($0.key, $0.value.ends, $0.value.added) }
    }
}

extension Transaction {
    /// Tells everything that comes after what ended, until nothing is left to tell; then the runs; then who waits for what
    /// ended, which may end more; then lets what waits for room go ahead.
    func settle(_ settlement: Settlement) throws {
        repeat {
            try storeSuccesses(of: settlement.takeMet())
            try store(settlement.takeWaits())
            try store(settlement.takeQueued())
            while settlement.hasNews {
                for (place, ends) in settlement.takeMapped() {
                    try settleMapped(place, ends, in: settlement)
                }
                var downstream: [InstancePlace: Settlement.Ends] = [:]
                for end in settlement.takeTasks() {
                    try tell(end, to: &downstream, in: settlement)
                }
                for (place, ends) in downstream.sorted(by: { $0.key < $1.key }) {
                    try settleDownstream(place, ends, in: settlement)
                }
            }
            for (runKey, ends, added) in settlement.takeRuns() {
                try settleRun(runKey, ends, added: added, in: settlement)
            }
            try fireRunWaits(in: settlement)
        } while !settlement.isSettled
        try tellUpdates(settlement)
        try refillGates()
    }

    /// Adds an end to what is told to each task or instance after it.
    private func tell(
        _ end: Settlement.End, to downstream: inout [InstancePlace: Settlement.Ends], in settlement: Settlement
    ) throws {
        let place = end.place
        let version = try facts(ofRun: place.runKey).version
        var later = version.downstream[place.taskIndex]
        var mapIndex = -1
        var decision = BranchDecision(isCut: false)
        switch end.reach {
        case .everything: decision = try self.decision(of: place, ended: end.state, isCut: end.isCut)
        case .gathering: later = version.gathering(place.taskIndex)
        case .elementwise: later = version.elementwise[place.taskIndex]
        case .element(let index):
            later = version.elementwise[place.taskIndex]
            mapIndex = index
            decision = try self.decision(of: place, mapIndex: index, ended: end.state, isCut: end.isCut)
        }
        switch end.reach {
        case .everything, .gathering:
            if end.state == .success { settlement.note(version.tasks[place.taskIndex].outlets, of: place) }
        case .elementwise, .element: break
        }
        for index in later {
            let next = InstancePlace(place: TaskPlace(runKey: place.runKey, taskIndex: index), mapIndex: mapIndex)
            downstream[next, default: .init()].add(end.state, by: decision.way(to: version.tasks[index]))
        }
    }

    /// Updates of assets go into the inbox, in the transaction that stores the success of their tasks.
    private func tellUpdates(_ settlement: Settlement) throws {
        let events = try settlement.takeUpdates().flatMap { place, assets in
            let facts = try facts(ofRun: place.runKey)
            let payload: JSONValue = .object([
                "dag_id": .string(facts.row.dagID), "run_id": .string(facts.row.runID),
                "task_id": .string(facts.version.tasks[place.taskIndex].taskID),
            ])
            return assets.map { NewEvent(name: Asset.eventName, key: $0, payload: payload) }
        }
        _ = try emit(events)
    }

    private func settleMapped(_ place: TaskPlace, _ ends: Settlement.Ends, in settlement: Settlement) throws {
        let after = try first(
            """
            UPDATE mapped_task SET unfinished = unfinished - :3, failed = failed + :4, skipped = skipped + :5
            WHERE run_key = :1 AND task_index = :2 RETURNING unfinished, failed, skipped, length
            """, place.runKey, place.taskIndex, ends.all, ends.failed, ends.skipped
        ) { (unfinished: $0.int(0), failed: $0.int(1), skipped: $0.int(2), length: $0.int(3)) }
        guard let after, after.unfinished == 0 else { return }
        let task = try facts(ofRun: place.runKey).version.tasks[place.taskIndex]
        let state = task.state(ofInstances: after.length, failed: after.failed, skipped: after.skipped)
        settlement.mappedTaskEnded(place, as: state)
    }

    private func settleDownstream(
        _ next: InstancePlace, _ ends: Settlement.Ends, in settlement: Settlement
    ) throws {
        let place = next.place
        let after = try first(
            """
            UPDATE task_instance SET pending = pending - :3, upstream_failed = upstream_failed + :4,
                upstream_skipped = upstream_skipped + :5, upstream_blocked = upstream_blocked + :6,
                upstream_untaken = upstream_untaken + :7, upstream_cut = upstream_cut + :8
            WHERE run_key = :1 AND task_index = :2 AND map_index = :9
            RETURNING ti_id, state, try_number, pending, upstream_failed, upstream_blocked, upstream_skipped,
                upstream_untaken, upstream_cut
            """, place.runKey, place.taskIndex, ends.all, ends.failed, ends.skipped, ends.blocked, ends.untaken,
            ends.cut, next.mapIndex
        ) { row in
            (
                id: row.int64(0), state: try row.name(1, as: TaskState.self), tryNumber: row.int(2),
                counts: UpstreamCounts(row, from: 3)
            )
        }
        // One that was decided earlier (an upstream failed while others ran) stays as it is; an instance that is not created
        // yet counts when it is.
        guard let after, after.state == .none else { return }
        let instance = Instance(
            id: after.id, runKey: place.runKey, taskIndex: place.taskIndex, mapIndex: next.mapIndex,
            tryNumber: after.tryNumber)
        try decide(instance, after.counts, in: settlement)
    }

    /// Has an instance that has not begun begin, end or wait on, by how its upstream has ended.
    func decide(_ instance: Instance, _ counts: UpstreamCounts, in settlement: Settlement) throws {
        let version = try facts(ofRun: instance.runKey).version
        let task = version.tasks[instance.taskIndex].asDecided(forElement: instance.mapIndex >= 0)
        var counts = counts
        counts.all = task.upstream.count
        let verdict = try UpstreamVerdict.of(task, counts) {
            try (task.teardown?.setups ?? []).compactMap {
                try state(of: TaskPlace(runKey: instance.runKey, taskIndex: $0))
            }
        }
        switch verdict {
        case .wait: break
        case .ready: try makeReady(instance, in: settlement)
        case .end(let state): try end(instance, as: state, message: nil, in: settlement)
        case .cut: try end(instance, as: .skipped, message: nil, isCut: true, in: settlement)
        }
    }

    /// The state of a task that is not mapped.
    private func state(of place: TaskPlace) throws -> TaskState? {
        try first(
            "SELECT state FROM task_instance WHERE run_key = :1 AND task_index = :2 AND map_index = -1", place.runKey,
            place.taskIndex
        ) { try $0.name(0, as: TaskState.self) }
    }

    private func settleRun(
        _ runKey: Int64, _ ends: Settlement.Ends, added: Int, in settlement: Settlement
    ) throws {
        let after = try first(
            """
            UPDATE dag_run SET unfinished = unfinished - :2 + :4, failed = failed + :3
            WHERE run_key = :1 RETURNING unfinished, failed, cancelled_by, state
            """, runKey, ends.all, ends.failed, added
        ) { (unfinished: $0.int(0), failed: $0.int(1), isCancelled: !$0.isNull(2), state: $0.text(3)) }
        if ends.all > 0 { ring(.finished) }
        guard let after, after.unfinished == 0, after.state == RunState.running.rawValue else { return }
        let hasFailed = try after.failed > 0 && hasFailures(runKey, all: after.failed)
        let state: RunState = hasFailed || after.isCancelled ? .failed : .success
        let dagID = try first(
            "UPDATE dag_run SET state = :2, end_date = :3 WHERE run_key = :1 RETURNING dag_id", runKey, state, now
        ) { $0.text(0) }
        runs[runKey] = nil
        noteEnd(ofRun: runKey, state)
        settlement.runEnded(runKey, as: state)
        if let dagID { try runEnded(runKey, of: dagID, as: state, in: settlement) }
    }

    /// Whether something failed that fails the run: all but teardowns that clean up only, and what mapped tasks may lose.
    private func hasFailures(_ runKey: Int64, all: Int) throws -> Bool {
        let version = try facts(ofRun: runKey).version
        var excused = 0
        for index in version.excusing {
            let task = version.tasks[index]
            guard task.mappedOver != nil else {
                if try state(of: TaskPlace(runKey: runKey, taskIndex: index)) == .failed { excused += 1 }
                continue
            }
            let mapped = try first(
                "SELECT failed, skipped, length FROM mapped_task WHERE run_key = :1 AND task_index = :2", runKey, index
            ) { (failed: $0.int(0), skipped: $0.int(1), length: $0.int(2)) }
            guard let mapped else { continue }
            let state = task.state(ofInstances: mapped.length, failed: mapped.failed, skipped: mapped.skipped)
            if state != .failed { excused += mapped.failed }
        }
        return all > excused
    }

    /// Ends an instance that no worker holds.
    func end(
        _ instance: Instance, as state: TaskState, message: String?, isCut: Bool = false, in settlement: Settlement
    ) throws {
        try post(
            """
            UPDATE task_instance SET state = :2, dispatch_id = 0, worker = NULL, end_date = :3, message = :4,
                cancel_state = NULL WHERE ti_id = :1
            """, instance.id, state, now, message)
        if state != .success, try facts(ofRun: instance.runKey).version.mappedOver.contains(instance.taskIndex) {
            try run("DELETE FROM output_item WHERE ti_id = :1", instance.id)
        }
        tally.entered(state)
        try ended(instance, as: state, message: message, isCut: isCut, in: settlement)
    }

    /// An instance has ended, and its row says so: what comes after it is told, and who is to be called back is.
    func ended(
        _ instance: Instance, as state: TaskState, message: String?, isCut: Bool = false, in settlement: Settlement
    ) throws {
        let version = try facts(ofRun: instance.runKey).version
        // Nothing comes after a call, and nobody is told of it.
        if version.isCallback(instance.taskIndex) { return }
        noteEnd(of: instance, state, began: nil)
        settlement.ended(
            instance, as: state, isCut: isCut, isFollowed: !version.elementwise[instance.taskIndex].isEmpty)
        if version.callbacks.isEmpty { return }
        switch state {
        case .success: try callBack(.success, of: instance, state, message: message, in: settlement)
        case .failed: try callBack(.failure, of: instance, state, message: message, in: settlement)
        case .skipped: try callBack(.skipped, of: instance, state, message: message, in: settlement)
        default: break
        }
    }
}
