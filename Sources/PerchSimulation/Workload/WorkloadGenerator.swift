// SPDX-License-Identifier: Apache-2.0

internal import PerchReactor
package import PerchSDK

/// Draws small workloads: a seed is a workload.
///
/// Names of events, files and addresses are shared between tasks and DAGs, so that waits share targets and probes.
package struct WorkloadGenerator {
    /// What workloads may look like.
    package struct Limits: Sendable {
        package var dags = 1...4
        package var tasks = 1...8
        package var runsPerDAG = 1...3
        package var operations = 0...25
        package var horizon = TimeSpan.seconds(120)
        /// Whether tasks and waits have kinds for which the world outside is needed.
        package var hasFiles = true
        package var hasHTTP = true
        package var hasSchedules = true
        package var hasComposites = true
        /// Whether there are mapped groups. Without them a seed is the workload that it was before there were any.
        package var hasGroups = false

        /// The limits above.
        package init() {}
    }

    let limits: Limits
    var source: LoopGenerator

    /// A generator of one workload.
    package init(seed: UInt64, limits: Limits = Limits()) {
        self.limits = limits
        source = LoopGenerator(seed: seed, stream: 2)
    }

    /// The workload of a seed.
    package static func workload(seed: UInt64, limits: Limits = Limits()) -> Workload {
        var generator = WorkloadGenerator(seed: seed, limits: limits)
        return generator.draw()
    }

    static let eventNames = ["orders", "payments"]
    static let eventKeys = ["k1", "k2"]
    static let paths = ["/data/a.csv", "/data/in/b.csv", "/data/in/c.txt"]
    static let urls = ["http://one.test/job", "http://two.test/state"]

    mutating func draw() -> Workload {
        var pools: [Workload.Pool] = []
        for index in 0..<number(in: 0...2) {
            pools.append(.init(name: "pool\(index)", slots: number(in: 1...3)))
        }
        var dags = (0..<number(in: limits.dags)).map { drawDAG("dag\($0)", pools) }
        if limits.hasGroups { dags = dags.map { drawGroups(in: $0) } }
        var workload = Workload(dags: dags, pools: pools, horizon: limits.horizon)
        workload.plan = drawPlan(workload)
        return workload
    }

    // MARK: chance

    mutating func number(in range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &source) }
    mutating func chance(_ percent: Int) -> Bool { number(in: 1...100) <= percent }
    mutating func one<Element>(of choices: [Element]) -> Element { choices[number(in: 0...(choices.count - 1))] }

    /// A span between two numbers of milliseconds.
    mutating func span(_ range: ClosedRange<Int>) -> TimeSpan {
        TimeSpan(microseconds: Int64(number(in: range)) * 1_000)
    }

    // MARK: DAGs

    private mutating func drawDAG(_ id: String, _ pools: [Workload.Pool]) -> SimulatedDAG {
        var tasks: [SimulatedTask] = []
        for index in 0..<number(in: limits.tasks) { tasks.append(drawTask("t\(index)", after: tasks, pools)) }
        let isScheduled = limits.hasSchedules && chance(10)
        return SimulatedDAG(
            id, tasks, maxActiveRuns: chance(30) ? number(in: 1...2) : 16,
            maxActiveTasks: chance(25) ? number(in: 1...3) : nil,
            schedule: isScheduled ? .cron("* * * * *") : .manual)
    }

    private mutating func drawTask(
        _ id: String, after earlier: [SimulatedTask], _ pools: [Workload.Pool]
    ) -> SimulatedTask {
        var task = SimulatedTask(id)
        let sources = earlier.filter { if case .sensor = $0.kind { false } else { true } }
        switch number(in: 1...100) {
        case 1...25:
            task.kind = .sensor(
                drawWait(), timeout: chance(90) ? span(1_000...60_000) : .seconds(7 * 86_400), softFail: chance(40))
        case 26...40 where !sources.isEmpty: task.kind = .mapped(over: one(of: sources).id)
        default:
            if !sources.isEmpty, chance(30) { task.input = one(of: sources).id }
        }
        for other in earlier where chance(earlier.count > 3 ? 25 : 45) { task.upstream.append(other.id) }
        if chance(35) {
            // An input that has not ended is read as nothing: what a task with one gives would depend on when it begins.
            let needsAll = task.input != nil || task.kind.isMapped
            let rules = TriggerRule.allCases.filter { $0 != .allDoneSetupSuccess && ($0.waitsForAll || !needsAll) }
            task.triggerRule = chance(40) ? .allDone : one(of: rules)
        }
        if chance(45) {
            task.retries = number(in: 1...3)
            task.retryDelay = span(0...8_000)
            task.hasBackoff = chance(30)
        }
        if let pool = pools.isEmpty || chance(50) ? nil : one(of: pools) {
            task.pool = pool.name
            task.poolSlots = chance(25) ? number(in: 1...pool.slots) : 1
        }
        if chance(20) { task.priority = number(in: 0...5) }
        if chance(12) { task.taskTimeout = span(5_000...60_000) }
        if case .sensor = task.kind { return task }
        task.script = drawScript()
        if chance(10) { task.executionTimeout = span(500...20_000) }
        task.killTimeout = span(1_000...10_000)
        return task
    }

    mutating func drawScript() -> TaskScript {
        var script = TaskScript()
        for index in 0..<number(in: 0...4) {
            switch number(in: 1...100) {
            case 1...40:
                // At times the same name twice: the journal tells them apart by their order.
                let name = chance(20) ? "again" : "step\(index)"
                script.actions.append(.step(name, work: span(0...1_500), keep: chance(20)))
            case 41...70:
                let timeout: TimeSpan? = chance(85) ? span(500...40_000) : nil
                script.actions.append(
                    .wait(
                        chance(30) ? "wait" : "wait\(index)", drawWait(), timeout: timeout,
                        onTimeout: one(of: TaskScript.OnTimeout.allCases)))
            case 71...82: script.actions.append(.sleep("nap\(index)", span(0...20_000)))
            default: script.actions.append(.work(span(1...3_000)))
            }
        }
        switch number(in: 1...100) {
        case 1...15: script.actions.append(.failTries(upTo: number(in: 1...3)))
        case 16...20: script.actions.append(.fail)
        case 21...23: script.actions.append(.failForGood)
        case 24...30: script.actions.append(.skip)
        default: break
        }
        script.items = number(in: 0...4)
        if chance(30) { script.onKill = span(0...2_000) }
        return script
    }

    private mutating func drawWait() -> SimulatedWait {
        guard limits.hasComposites else { return drawLeaf() }
        switch number(in: 1...100) {
        case 1...8:
            let members = (0..<number(in: 1...4)).map { _ in drawLeaf() }
            let part = SimulatedWait.atLeast(number(in: 1...members.count), members)
            guard chance(30) else { return part }
            return .atLeast(number(in: 1...2), [part, chance(50) ? drawLeaf() : drawAbsence()])
        case 9...12: return drawAbsence()
        default: return drawLeaf()
        }
    }

    private mutating func drawAbsence() -> SimulatedWait { .none(drawLeaf(), within: span(500...30_000)) }

    private mutating func drawLeaf() -> SimulatedWait {
        var kinds = [0, 1, 2, 2, 2]
        if limits.hasFiles { kinds.append(3) }
        if limits.hasHTTP { kinds.append(4) }
        switch one(of: kinds) {
        case 0: return .after(span(0...30_000))
        // Instants of a calendar that the history passes or has passed.
        case 1: return .at(Timestamp(microseconds: Self.epoch + span(-10_000...90_000).microseconds))
        case 2: return .event(name: one(of: Self.eventNames), key: chance(60) ? one(of: Self.eventKeys) : nil)
        case 3:
            return .file(
                path: chance(25) ? "/data/in/*.csv" : one(of: Self.paths),
                stableFor: chance(30) ? span(500...4_000) : nil, minimumSize: chance(25) ? number(in: 1...100) : nil)
        default: return .http(url: one(of: Self.urls), every: span(500...8_000), status: chance(80) ? 200 : 202)
        }
    }

    /// The instant at which histories begin: 2026-01-01T00:00:00Z.
    package static let epoch: Int64 = 1_767_225_600_000_000
}
