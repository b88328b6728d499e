// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Synchronization
import Testing

@testable import PerchBundle

private struct FixedClock: PerchClock {
    var now: Timestamp { Timestamp(microseconds: 1_767_225_600_000_000) }
}

/// Keeps jobs until it is told to run them.
private final class PatientExecutor: TaskExecutor {
    private let jobs = Mutex<[UnownedJob]>([])

    func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        jobs.withLock { $0.append(unowned) }
    }

    func runAll() {
        while let job = jobs.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}

/// Writes down what a host says.
private final class Paper: BundleOutbox {
    let said = Mutex<[BundleMessage]>([])
    let drains = Mutex(0)
    let onSend = Mutex<(@Sendable (BundleMessage) -> Void)?>(nil)

    func send(_ message: BundleMessage, mayWait: Bool) throws(BundleProtocolError) {
        onSend.withLock { $0 }?(message)
        said.withLock { $0.append(message) }
    }
    func take() -> [BundleMessage] {
        said.withLock { said in
            defer { said = [] }
            return said
        }
    }
}

private final class Notes: Sendable {
    private let kept = Mutex<[String]>([])
    var lines: [String] { kept.withLock { $0 } }
    func add(_ line: String) { kept.withLock { $0.append(line) } }
}

/// A host, what it says, and the place where its code runs.
private struct Desk {
    let executor = PatientExecutor()
    let paper = Paper()
    let host: DispatchHost

    init(_ dags: DAG...) {
        let paper = paper
        host = DispatchHost(
            dags: dags, bundleVersion: "v1", pid: 77, clock: FixedClock(), executor: executor, outbox: paper,
            generator: { 4 }, onDrained: { paper.drains.withLock { $0 += 1 } })
    }

    /// Tells the host something, lets its code run as far as it comes, and gives what was said but for log lines.
    @discardableResult
    func tell(_ messages: EngineMessage...) -> [BundleMessage] {
        for message in messages { host.handle(message) }
        executor.runAll()
        return paper.take().filter { if case .log = $0 { false } else { true } }
    }

    static func order(
        _ taskID: String, _ dispatchID: Int64 = 1, cancel: CancelNotice? = nil
    ) -> EngineMessage {
        .run(
            RunOrder(
                dispatchID: dispatchID, taskInstanceID: dispatchID, taskIndex: 0,
                facts: AttemptFacts(
                    dagID: "d", runID: "r", taskID: taskID, logicalDate: FixedClock().now,
                    dataIntervalStart: FixedClock().now, dataIntervalEnd: FixedClock().now),
                cancel: cancel))
    }
}

@Suite("A bundle's host without a process around it")
struct DispatchHostTests {
    private let notice = CancelNotice(finalState: "failed", reason: "user", by: "ann")

    @Test("Messages go in, what the code does comes out, and nothing runs before its executor runs it")
    func basics() {
        let desk = Desk(DAG("d") { dag in dag.task("t") { try await $0.step("s") { 1 } } })
        desk.host.handle(.hello(protocolVersion: 1))
        desk.host.handle(Desk.order("t"))
        #expect(desk.paper.take() == [.hello(protocolVersion: 1, bundleVersion: "v1", pid: 77)])
        #expect(desk.host.isBusy)
        #expect(desk.tell() == [.step(dispatchID: 1, key: "s#0", payload: "1", keep: false)])
        #expect(
            desk.tell(.recorded(dispatchID: 1, key: "s#0"))
                == [.result(dispatchID: 1, .success(output: "1", items: nil))])
        #expect(!desk.host.isBusy)
    }

    @Test("A host is drained only after its last word")
    func lastWord() {
        let desk = Desk(DAG("d") { dag in dag.task("t") { _ in } })
        let drainedWhenSaid = Mutex<[Bool]>([])
        let host = desk.host
        desk.paper.onSend.withLock { $0 = { _ in drainedWhenSaid.withLock { $0.append(host.isDrained) } } }
        desk.tell(Desk.order("t"), .drain)
        #expect(drainedWhenSaid.withLock { $0 } == [false])
        #expect(desk.host.isDrained)
        #expect(desk.paper.drains.withLock { $0 } == 1)
        desk.paper.onSend.withLock { $0 = nil }
    }

    @Test("Being abandoned lets every waiting step go, by dispatch and by key")
    func abandoned() {
        let ended = Notes()
        let desk = Desk(
            DAG("d") { dag in
                dag.task("t") { context in
                    await withTaskGroup(of: Void.self) { group in
                        for name in ["c", "a", "b"] {
                            group.addTask {
                                do {
                                    try await context.step(name) {}
                                } catch {
                                    ended.add("\(name) \(error is StaleDispatch)")
                                }
                            }
                        }
                    }
                }
            })
        #expect(desk.tell(Desk.order("t", 2), Desk.order("t", 1)).count == 6)
        desk.host.abandon()
        desk.executor.runAll()
        #expect(ended.lines == ["a true", "b true", "c true", "a true", "b true", "c true"])
        #expect(!desk.host.isBusy)
    }

    @Test("A dispatch that is refused while it cleans up begins no other clean-up, and is over after the one at hand")
    func refusedCleanUp() {
        let ran = Notes()
        let desk = Desk(
            DAG("d") { dag in
                dag.task("t", hasOnKill: true) { context in
                    context.onKill { ran.add("first") }
                    context.onKill {
                        ran.add("second")
                        defer { ran.add("second is over") }
                        try await context.step("undo") {}
                    }
                    try await context.sleep(for: .seconds(5))
                }
            })
        #expect(
            desk.tell(Desk.order("t", cancel: notice))
                == [.step(dispatchID: 1, key: "undo#0", payload: "null", keep: false)])
        desk.paper.onSend.withLock {
            $0 = { if case .result = $0 { ran.add("said") } }
        }
        #expect(desk.tell(.refused(dispatchID: 1)) == [.result(dispatchID: 1, .cancelled)])
        #expect(ran.lines == ["second", "second is over", "said"])
    }

    @Test("What an attempt held for its clean-up is let go at its end")
    func nothingStays() {
        final class Witness: Sendable {}
        let witness = Mutex<Witness?>(Witness())
        weak let held = witness.withLock { $0 }
        let desk = Desk(
            DAG("d") { dag in
                dag.task("t", hasOnKill: true) { context in
                    let own = witness.withLock { $0 }
                    context.onKill {
                        _ = own
                        context.log.info("never")
                    }
                }
            })
        #expect(desk.tell(Desk.order("t")) == [.result(dispatchID: 1, .success(output: "null", items: nil))])
        witness.withLock { $0 = nil }
        #expect(held == nil)
    }
}
