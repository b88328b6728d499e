// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK
internal import PerchTriggersFile
internal import Synchronization

/// Starts the run of a test and follows it to its end: looks whenever a doorbell rings, tells what has changed, and
/// moves the clock on where nothing but time is missing.
final class TestWatch {
    private let test: TestRun
    private let engine: Engine
    private let clock: JumpingClock
    private let report: RunReport
    private let bells: AsyncStream<Void>
    private let bell: AsyncStream<Void>.Continuation
    private let signal = Signal()
    /// What was told last of each instance.
    private var told: [Int64: Told] = [:]
    private var reason: String?
    /// How long a cancelled run may take to clean up.
    private static let grace = TimeSpan.seconds(5)
    private var hasSaidThatItIsStuck = false

    /// Whether the process has been told to stop.
    private final class Signal: Sendable {
        let isGiven = Atomic(false)
    }

    private struct Told: Equatable {
        var state: TaskState
        var tryNumber: Int
        var waitID: Int64?
    }

    /// The run as it stands.
    private struct Look: Sendable {
        var run: RunRow
        var instances: [TaskInstanceRow]
        var waits: [WaitRow]
        var now: Timestamp
    }

    /// What there is to do for the clock.
    private enum Next {
        /// Something is under way, and a bell tells when it is over.
        case work
        /// A wait is on its way to the triggerer or has just ended: not every such thing rings.
        case soon
        case jump(Timestamp)
        /// Only somebody outside can help.
        case outside
    }

    init(_ test: TestRun, _ engine: Engine, _ clock: JumpingClock, _ report: RunReport) {
        self.test = test
        self.engine = engine
        self.clock = clock
        self.report = report
        (bells, bell) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Returns when the run has ended.
    func untilEnd() async throws -> TestRun.Outcome {
        let bell = bell
        engine.metastore.doorbells.subscribe([.runs, .queue, .cancels, .waits, .finished]) { _ in bell.yield() }
        StopSignals.watch(on: engine.reactor) { [signal] _ in
            signal.isGiven.store(true, ordering: .releasing)
            bell.yield()
        }
        let limit = test.timeout.map { SystemClock().now + $0 }
        let run = try await start()
        report.say("run \(run.runID) of \(run.dagID)")
        bell.yield()
        wake(at: limit)
        for await _ in bells {
            if signal.isGiven.load(ordering: .acquiring) { throw TestRun.Stopped() }
            let look = try await look(run)
            tell(look)
            if look.run.state.isFinished {
                return try await outcome(look.run.state, look)
            }
            if let limit, SystemClock().now >= limit {
                if reason == nil { try await end(run) }
                // Code in this process cannot be ended by force: it is left behind.
                if SystemClock().now >= limit + Self.grace { return try await outcome(.failed, look) }
                wake(at: limit + Self.grace)
            }
            if test.isFastForward, try await move(look) { wake(at: limit) }
        }
        throw TestRun.Stopped()
    }

    private func outcome(_ state: RunState, _ look: Look) async throws -> TestRun.Outcome {
        var instances = look.instances.filter { report.isTold($0.key) }
        let texts = instances.map(\.output)
        // The files of long outputs go with the home.
        let outputs = try await engine.metastore.read { snapshot in
            try texts.map { try $0.map { try snapshot.value(ofOutput: $0) } }
        }
        for (index, output) in outputs.enumerated() { instances[index].output = output }
        return TestRun.Outcome(state: state, instances: instances, reason: reason)
    }

    private func start() async throws -> RunRow {
        var request = RunRequest(dagID: test.dag.definition.dagID, runID: test.runID, params: test.params)
        request.logicalDate = test.logicalDate
        let (asked, events) = (request, test.events)
        // The pools of the home that the DAG is meant for are not known here: each has room.
        let pools = Set(test.dag.definition.tasks.map(\.pool)).subtracting(["default_pool"]).sorted()
        let slots = max(128, test.dag.definition.tasks.map(\.poolSlots).max() ?? 1)
        return try await engine.metastore.write { transaction in
            for pool in pools { try transaction.setPool(pool, slots: slots) }
            let row = try transaction.createRun(asked)
            _ = try transaction.emit(events)
            return row
        }
    }

    private func end(_ run: RunRow) async throws {
        let words = "it took longer than \(test.timeout ?? TimeSpan(microseconds: 0))"
        reason = words
        report.say("the run is cancelled: \(words)")
        _ = try await engine.metastore.write {
            try $0.cancelRun(dagID: run.dagID, runID: run.runID, by: "--timeout")
        }
    }

    private func look(_ run: RunRow) async throws -> Look {
        try await engine.metastore.read { snapshot in
            guard let row = try snapshot.run(dagID: run.dagID, runID: run.runID) else {
                throw PerchError(.notFound, "run \(run.runID) of \(run.dagID) is gone")
            }
            var filter = WaitFilter()
            filter.limit = .max
            return Look(
                run: row, instances: try snapshot.taskInstances(runKey: row.runKey), waits: try snapshot.waits(filter),
                now: snapshot.now)
        }
    }

    private func tell(_ look: Look) {
        var waits: [Int64: WaitRow] = [:]
        for wait in look.waits { waits[wait.taskInstanceID] = wait }
        for row in look.instances {
            let wait = waits[row.taskInstanceID]
            let state = Told(state: row.state, tryNumber: row.tryNumber, waitID: wait?.waitID)
            guard told[row.taskInstanceID] != state else { continue }
            told[row.taskInstanceID] = state
            report.state(row, wait: wait)
        }
    }

    // MARK: time

    /// Moves the clock where only time is missing. True where it was moved.
    private func move(_ look: Look) async throws -> Bool {
        switch try await next(look) {
        case .work: return false
        case .soon:
            wake(after: TimeSpan(microseconds: 20_000))
            return false
        case .outside:
            if !hasSaidThatItIsStuck {
                report.say("nothing is due: what is waited for has no deadline and has to come from outside")
            }
            hasSaidThatItIsStuck = true
            return false
        case .jump(let instant):
            let span = clock.jump(to: instant)
            guard span.microseconds > 0 else {
                wake(after: TimeSpan(microseconds: 20_000))
                return false
            }
            report.say("… \(Self.rounded(span)) pass")
            engine.lookAtClock()
            // A trigger that wakes up and sleeps again rings no bell.
            if await engine.nextHosted() != nil { wake(after: TimeSpan(microseconds: 20_000)) }
            return true
        }
    }

    private func next(_ look: Look) async throws -> Next {
        guard look.run.state == .running else { return .work }
        var next: Timestamp?
        func consider(_ instant: Timestamp?) {
            if let instant { next = min(next ?? instant, instant) }
        }
        for row in look.instances where !row.state.isFinished {
            guard row.cancelState == nil else { return .work }
            switch row.state {
            case .none, .deferred: break
            case .upForRetry: consider(row.retryAt)
            default: return .work
            }
        }
        guard look.instances.contains(where: { $0.state == .deferred || $0.state == .upForRetry }) else { return .work }
        for wait in look.waits {
            consider(wait.due)
            consider(wait.deadline)
        }
        consider(await engine.nextHosted())
        // What is due already is about to happen.
        if let next, next <= clock.now { return .soon }
        // A wait that is not watched here is not armed yet, or has fired and is not committed.
        for wait in look.waits where await engine.explain(wait.waitID) == nil { return .soon }
        // Everything has come to rest: what the tasks themselves brought about, or somebody outside, is found before
        // time passes.
        await engine.probeNow(look.waits.map(\.waitID))
        for wait in look.waits {
            guard let explanation = await engine.explain(wait.waitID) else { return .soon }
            consider(Self.settled(wait, explanation))
        }
        return next.map { .jump($0) } ?? .outside
    }

    /// When a file that is there, and has to stay as it is for a while, will have done so; nil where none is there.
    private static func settled(_ wait: WaitRow, _ explanation: WaitExplanation) -> Timestamp? {
        guard wait.kind == FileTrigger.kind, let probe = explanation.probe, let last = probe.lastProbeAt,
            !probe.lastResult.hasPrefix("absent"), !probe.lastResult.hasSuffix(" are there"), let text = wait.definition
        else { return nil }
        do {
            guard case .integer(let span)? = try JSONValue(parsingEnvelope: text)["stable_for"] else { return nil }
            return last + TimeSpan(microseconds: span)
        } catch {
            // The source cannot read it either, and says so.
            return nil
        }
    }

    /// A long time to whole seconds.
    private static func rounded(_ span: TimeSpan) -> TimeSpan {
        let second: Int64 = 1_000_000
        guard span.microseconds > second else { return span }
        return TimeSpan(microseconds: (span.microseconds + second / 2) / second * second)
    }

    /// Rings at an instant of the system's clock, or sooner where the run's clock jumps.
    private func wake(at instant: Timestamp?) {
        if let instant { wake(after: instant - SystemClock().now) }
    }

    private func wake(after span: TimeSpan) {
        let (reactor, bell) = (engine.reactor, bell)
        reactor.submit {
            _ = reactor.loop.schedule(at: reactor.loop.now + max(0, span.microseconds)) { bell.yield() }
        }
    }
}
