// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchReactor
import PerchSDK
import PerchSimulation
import Testing

/// A clock that stands still until it is moved.
final class StandingClock: PerchClock, @unchecked Sendable {  // because it is used from one thread
    var now = Timestamp(microseconds: WorkloadGenerator.epoch)
}

/// The roles in a few lines, worked by hand on the real transitions, in whatever order a seed says: to try the checks
/// before, and beside, the real engine. Crashes, lost dispatches, and late and repeated messages are among what it does.
final class HandEngine {
    /// The workload of a seed, of waits that it knows how to watch.
    static func workload(seed: UInt64) -> Workload {
        var limits = WorkloadGenerator.Limits()
        limits.hasComposites = false
        return WorkloadGenerator.workload(seed: seed, limits: limits)
    }

    let workload: Workload
    let clock = StandingClock()
    let driver: MemoryDriver
    let store: Metastore
    let ledger = Ledger()
    let acknowledged: Acknowledged
    let client: Client
    let invariants = Invariants()
    let statements: SabotagedStatements?
    private let code: [String: DAG]
    private var random: LoopGenerator
    private var worker: Int64 = 0
    private var lease: Int64 = 0
    private var held: [ClaimedTask] = []
    private var old: [ClaimedTask] = []
    private var oldFires: [Firing] = []
    private var oldLease: Int64?
    private var files: [String: Int] = [:]
    private var answers: [String: Int] = [:]
    private var planned = 0
    private let isDisturbed: Bool
    var violations: [Violation] = []
    /// Errors that were no refusals: broken statements have them.
    var errors: [String] = []

    init(_ workload: Workload, seed: UInt64, sabotage: Sabotage? = nil, isDisturbed: Bool = true) async throws {
        self.workload = workload
        self.isDisturbed = isDisturbed
        random = LoopGenerator(seed: seed)
        let statements = sabotage.map { SabotagedStatements($0) }
        self.statements = statements
        let driver = try MemoryDriver(rewrite: statements.map { statements in { statements.rewrite($0) } })
        self.driver = driver
        _ = try Migrations.migrate(driver, path: "memory")
        try driver.write { try Audit.install(on: $0) }
        store = Metastore(clock: clock, driver: driver, runner: InlineRunner(), doorbells: Doorbells(), ring: { _ in })
        acknowledged = Acknowledged(ledger: ledger)
        client = Client(store, acknowledged: acknowledged)
        let dags = workload.build(ledger: ledger) { _ in }
        #expect(DAG.problems(in: dags).isEmpty)
        code = Dictionary(uniqueKeysWithValues: dags.map { ($0.definition.dagID, $0) })
        worker = try await register("worker")
        try await takeShards()
        let pools = workload.pools
        let definitions = dags.map(\.definition)
        try await store.write { transaction in
            try transaction.storeDAGs(definitions, bundle: "default", bundleVersion: "1")
            for pool in pools { try transaction.setPool(pool.name, slots: pool.slots) }
        }
    }

    private func register(_ role: String) async throws -> Int64 {
        try await store.write {
            try $0.registerProcess(
                role: role, pid: 1, startTime: 1, bootID: "b", host: "h", lease: .seconds(1_000_000_000))
        }
    }

    /// A new triggerer takes the place of the old one, which does not know it yet.
    private func takeShards() async throws {
        let former = lease
        lease = try await store.write { transaction in
            try transaction.removeTriggerer(former)
            let owner = try transaction.registerTriggerer(
                ProcessIdentity(pid: 1, startTime: 1, bootID: "b", host: "h"), terms: TriggererTerms(),
                lease: .seconds(1_000_000_000))
            _ = try transaction.shareShards(owner)
            return owner
        }
        if former != 0 { oldLease = former }
    }

    private func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    private func chance(_ percent: Int) -> Bool { number(1...100) <= percent }

    /// Looks at what was committed.
    func check() throws {
        violations += try driver.read { try invariants.incremental(on: $0) }
    }

    // MARK: the history

    /// Does the plan while everything else happens in between, then lets all come to its end.
    func run(steps: Int = 250) async throws {
        let horizon = workload.horizon.microseconds
        for _ in 0..<steps {
            try await attempt { try await step() }
            try check()
            if chance(60) { clock.now = clock.now + TimeSpan(microseconds: Int64(number(0...Int(horizon / 100)))) }
        }
        clock.now = Timestamp(microseconds: WorkloadGenerator.epoch + horizon)
        while planned < workload.plan.count { try await attempt { try await nextOperation() } }
        try check()
        await heal()
    }

    /// Broken statements may throw; a history goes on all the same.
    private func attempt(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let error as PerchError {
            if statements == nil { throw error }
            errors.append("\(error)")
        }
    }

    /// Everything that may happen happens until nothing does.
    func heal() async {
        for _ in 0..<60 {
            do {
                held = []
                let live = worker
                _ = try await store.write { try $0.requeueOrphans(liveWorkers: [live + 1_000_000]) }
                try await schedule(1_000)
                for wait in try await waits() { try await look(at: wait) }
                for _ in 0..<20 {
                    try await claim(100)
                    if held.isEmpty { break }
                    while !held.isEmpty { try await runOne(mayCrash: false) }
                    try await schedule(1_000)
                }
                try await forgetRemovals()
                try check()
            } catch {
                errors.append("\(error)")
            }
            clock.now = clock.now + .seconds(5)
        }
    }

    /// What is wrong at the end.
    func verdict() throws -> [Violation] {
        let model = ReferenceModel(workload, acknowledged)
        return try driver.read { connection in
            let unfinished = try model.unfinished(
                on: connection, now: clock.now, patience: .seconds(30),
                mayFire: { kind, target in
                    kind == "http" ? self.answers[target] == 200 : false
                })
            return violations + ledger.violations + (try Invariants.full(on: connection, isQuiet: true))
                + (try model.verify(on: connection)) + (try acknowledged.verify(on: connection)) + unfinished.stuck
        }
    }

    private func step() async throws {
        switch number(1...20) {
        case 1...3: try await schedule(number(1...12))
        case 4...6: try await claim(number(1...3))
        case 7...10: try await runOne(mayCrash: isDisturbed)
        case 11...14:
            for wait in try await waits() where chance(70) { try await look(at: wait) }
        case 15...16: if isDisturbed { try await disturb() }
        case 17: try await forgetRemovals()
        default: try await nextOperation()
        }
    }

    private func schedule(_ budget: Int) async throws {
        _ = try await store.write { try $0.retryDue(limit: max(1, budget / 3)) }
        for _ in 0..<20 where try await store.write({ try $0.advanceRuns(budget: budget) }) {}
        _ = try await store.write { try $0.promoteScheduled(limit: max(1, budget / 3)) }
    }

    private func nextOperation() async throws {
        guard planned < workload.plan.count else { return }
        let next = workload.plan[planned]
        guard clock.now.microseconds >= WorkloadGenerator.epoch + next.at.microseconds else { return }
        planned += 1
        switch next.operation {
        case .writeFile(let path, let size): files[path] = size
        case .renameFile(let from, let to): files[to] = files.removeValue(forKey: from)
        case .removeFile(let path): files[path] = nil
        case .setAnswer(let url, let status): answers[url] = status
        case let operation: await client.perform(operation)
        }
    }

    private func forgetRemovals() async throws {
        let owner = lease
        try await store.write { transaction in
            guard let last = try transaction.waitNotes(after: 0, limit: 10_000).last else { return }
            try transaction.forgetWaitNotes(upTo: last.seq, of: owner)
        }
    }

    // MARK: the executor

    private func claim(_ limit: Int) async throws {
        let worker = worker
        held += try await store.write { try $0.claim(limit: limit, worker: worker) }
    }

    private func runOne(mayCrash: Bool) async throws {
        guard !held.isEmpty else { return }
        let task = held.remove(at: number(0...(held.count - 1)))
        let runtime = HandRuntime(task, store)
        if mayCrash, chance(15) { runtime.callsLeft = number(0...3) }
        old.append(task)
        let context = TaskContext(runtime: runtime)
        guard let index = code[task.key.dagID]?.definition.tasks.firstIndex(where: { $0.taskID == task.key.taskID }),
            let body = code[task.key.dagID]?.code[index]
        else {
            Issue.record("there is no code for \(task.key)")
            return
        }
        let result: Result<TaskOutput, any Error>
        do {
            result = .success(try await body.run(context, task.inputs, task.mapElement))
        } catch {
            result = .failure(error)
        }
        try await report(task, runtime, result)
    }

    private func report(_ task: ClaimedTask, _ runtime: HandRuntime, _ result: Result<TaskOutput, any Error>)
        async throws
    {
        let reference = (task.taskInstanceID, task.dispatchID)
        if case .failure(let error) = result, error is HandRuntime.Crash {
            let isSuspect = chance(50)
            return try await store.write { transaction in
                try transaction.requeue([reference], asSuspects: isSuspect)
            }
        }
        if case .failure(let error) = result, error is HandRuntime.Stale { return }
        if task.cancel != nil {
            for handler in runtime.handlers.reversed() { try await handler() }
            return try await finish(task, .cancelled)
        }
        switch result {
        case .success(let output): try await finish(task, .success(output: output.json, items: output.items))
        case .failure(is Suspension):
            guard let wait = runtime.suspended else { return }
            let deferral = Deferral(
                taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID, key: wait.key, trigger: wait.trigger,
                timeout: wait.timeout, ranFor: .seconds(0))
            _ = try await store.write { try $0.deferTasks([deferral]) }
        case .failure(let error as SkipTask): try await finish(task, .skipped(message: error.message))
        case .failure(let error as NonRetryable):
            try await finish(task, .failure(message: error.message, retryable: false))
        case .failure(let error): try await finish(task, .failure(message: "\(error)", retryable: true))
        }
    }

    private func finish(_ task: ClaimedTask, _ outcome: TaskReport.Outcome) async throws {
        let report = TaskReport(taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID, outcome: outcome)
        _ = try await store.write { try $0.finish([report]) }
    }

    // MARK: what comes late, twice, or from the dead

    private func disturb() async throws {
        switch number(1...7) {
        case 1:
            // A worker is lost with all that it held.
            guard !held.isEmpty else { return }
            old += held
            held = []
            worker = try await register("worker")
            let live = worker
            _ = try await store.write { try $0.requeueOrphans(liveWorkers: [live]) }
        case 2:
            guard let task = old.randomElement(using: &random) else { return }
            let output = TaskReport.Outcome.success(output: "\"\(Audit.poison)\"", items: ["\"\(Audit.poison)\""])
            try await finish(task, output)
        case 3:
            guard let task = old.randomElement(using: &random) else { return }
            let record = StepRecord(
                taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID, key: "late#\(number(0...9))",
                payload: "\"\(Audit.poison)\"", keepAcrossRetries: false)
            _ = try await store.write { try $0.recordSteps([record]) }
        case 4:
            guard let task = old.randomElement(using: &random) else { return }
            let late = Deferral(
                taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID, key: "late#\(number(0...99))",
                trigger: TriggerSpec(kind: "file", target: "/\(Audit.poison)"), timeout: nil, ranFor: .seconds(1))
            _ = try await store.write { try $0.deferTasks([late]) }
        case 5:
            guard let task = old.randomElement(using: &random) else { return }
            let isSuspect = chance(50)
            try await store.write {
                try $0.requeue([(task.taskInstanceID, task.dispatchID)], asSuspects: isSuspect)
            }
        case 6:
            guard var fire = oldFires.randomElement(using: &random) else { return }
            fire.outcome = .event(.string(Audit.poison))
            let (late, lease) = (fire, lease)
            _ = try await store.write { try $0.fire([late], lease: lease) }
        default: try await fireFromTheDead()
        }
    }

    /// A triggerer that lost its lease goes on firing what it believes in.
    private func fireFromTheDead() async throws {
        if chance(30) { try await takeShards() }
        guard let oldLease, let wait = try await waits().randomElement(using: &random) else { return }
        let fire = Firing(waitID: wait.waitID, outcome: .event(.string(Audit.poison)), by: "triggerer")
        do {
            _ = try await store.write { try $0.fire([fire], lease: oldLease) }
        } catch let error as PerchError where error.code == .conflict {
            // Fenced, as it must be.
        }
    }

    // MARK: the triggerer

    private func waits() async throws -> [WaitToArm] {
        try await store.read { try $0.waitsToArm(after: 0, of: .all(of: ["default"]), limit: 10_000).waits }
    }

    private func look(at wait: WaitToArm) async throws {
        var payload: JSONValue?
        var seq: Int64?
        switch wait.kind {
        case "time":
            if let due = wait.due, due <= clock.now { payload = .object(["due_at": .integer(due.microseconds)]) }
        case "event":
            guard let event = try await event(for: wait) else { break }
            seq = event.seq
            payload = try JSONValue(
                parsing: """
                    {"event_id":\(JSONValue.string(event.eventID).text),"seq":\(event.seq),"name":"\(event.name)",\
                    "payload":\(event.payload.text),"received_at":\(event.receivedAt.microseconds)}
                    """)
        case "file":
            let names = wait.target.hasSuffix("*.csv") ? ["/data/in/b.csv"] : [wait.target]
            if let path = names.first(where: { files[$0] != nil }) {
                payload = SimulatedWait.handMadePayload(kind: "file", target: path, at: clock.now)
            }
        default:
            if answers[wait.target] == 200 {
                payload = SimulatedWait.handMadePayload(kind: "http", target: wait.target, at: clock.now)
            }
        }
        let outcome: WaitOutcome
        if let payload, wait.kind == "event" || wait.deadline.map({ $0 > clock.now }) ?? true || wait.kind == "time" {
            outcome = .event(payload)
        } else if let deadline = wait.deadline, deadline <= clock.now {
            outcome = .timeout
        } else {
            return
        }
        let fire = Firing(waitID: wait.waitID, outcome: outcome, eventSeq: seq, by: "triggerer")
        oldFires.append(fire)
        let lease = lease
        _ = try await store.write { try $0.fire([fire], lease: lease) }
    }

    private func event(for wait: WaitToArm) async throws -> InboxEvent? {
        guard let text = wait.definition, case .string(let name)? = try JSONValue(parsing: text)["name"] else {
            return nil
        }
        var key: String?
        if case .string(let text)? = try JSONValue(parsing: text)["key"] { key = text }
        let wanted = key
        return try await store.read {
            try $0.events(name: name, key: wanted, after: wait.eventFloor, limit: 100)
        }.first { event in wait.deadline.map { event.receivedAt <= $0 } ?? true }
    }
}

extension Transaction {
    /// Queues again what is held by workers other than these, as if they had died. Gives how many there were.
    func requeueOrphans(liveWorkers: [Int64]) throws -> Int {
        let dead = try processes(role: WorkerRow.role).map(\.processID).filter { !liveWorkers.contains($0) }
        return try forgetWorkers(ended: dead, overdue: [])
    }
}
