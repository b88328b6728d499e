// SPDX-License-Identifier: Apache-2.0

import PerchOutputs
import PerchSDK
import Synchronization
import Testing

@testable import PerchBundle

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

    init(_ dags: DAG..., outputs: OutputKeeping? = nil) {
        let paper = paper
        host = DispatchHost(
            dags: dags, bundleVersion: "v1", pid: 77, clock: FixedClock(), executor: executor, outbox: paper,
            generator: { 4 }, outputs: outputs, onDrained: { paper.drains.withLock { $0 += 1 } })
    }

    /// Tells the host something, lets its code run as far as it comes, and gives what was said but for log lines.
    @discardableResult
    func tell(_ messages: EngineMessage...) -> [BundleMessage] {
        for message in messages { host.handle(message) }
        executor.runAll()
        return paper.take().filter { if case .log = $0 { false } else { true } }
    }

    static func order(
        _ taskID: String, _ dispatchID: Int64 = 1, inputs: [String] = [], mapElement: String? = nil,
        cancel: CancelNotice? = nil
    ) -> EngineMessage {
        .run(
            RunOrder(
                dispatchID: dispatchID, taskInstanceID: dispatchID, taskIndex: 0,
                facts: AttemptFacts(
                    dagID: "d", runID: "r", taskID: taskID, logicalDate: FixedClock().now,
                    dataIntervalStart: FixedClock().now, dataIntervalEnd: FixedClock().now),
                inputs: inputs, mapElement: mapElement, cancel: cancel))
    }
}

/// Sleeps, stores, and finds something.
private struct Napper: AsyncTrigger {
    let depth: Int

    func run(_ context: TriggerContext) async throws -> Int {
        let before = try context.checkpoint(as: Int.self) ?? 0
        try await context.sleep(until: Timestamp(microseconds: 5))
        try await context.checkpoint(before + 1)
        if depth < 0 { throw PerchError(.invalid, "negative") }
        return try context.checkpoint(as: Int.self) ?? 0
    }
}

@Suite("A bundle's host of triggers without a process around it")
struct TriggerHostTests {
    private let run = TriggerRun(waitID: 4, run: 9)

    private func order(_ definition: JSONValue = ["depth": 1], kind: String = "async:Napper") -> EngineMessage {
        .hostTrigger(
            TriggerOrder(
                run: run, kind: kind, definition: definition,
                facts: TriggerFacts(waitID: 4, since: FixedClock().now), checkpoint: 6, budget: .seconds(1)))
    }

    private func desk() -> Desk { Desk(DAG("d") { dag in dag.sensor("s", Napper(depth: 1)) }) }

    @Test("A trigger sleeps and stores by the engine's answers; while it sleeps the host is not busy, once woken it is")
    func life() {
        let desk = desk()
        #expect(desk.tell(order()) == [.trigger(run, .sleep(number: 1, until: Timestamp(microseconds: 5)))])
        #expect(!desk.host.isBusy)
        // Said twice, it does not run twice.
        #expect(desk.tell(order()).isEmpty)
        desk.host.handle(.triggerWoken(run, number: 1))
        #expect(desk.host.isBusy)
        #expect(desk.tell() == [.trigger(run, .checkpoint(number: 2, value: "7"))])
        #expect(
            desk.tell(.triggerStored(run, number: 7), .triggerStored(TriggerRun(waitID: 4, run: 8), number: 2)).isEmpty)
        #expect(desk.tell(.triggerStored(run, number: 2)) == [.trigger(run, .event("7"))])
        #expect(!desk.host.isBusy)
        #expect(desk.tell(.triggerStored(run, number: 2), .endTrigger(run)).isEmpty)
    }

    @Test("One that the engine ends says nothing more, and its host is not busy with it")
    func ended() {
        let desk = desk()
        desk.tell(order())
        #expect(desk.tell(.endTrigger(run)).isEmpty)
        #expect(!desk.host.isBusy)
        #expect(desk.tell(.triggerWoken(run, number: 1)).isEmpty)
    }

    @Test("What it throws, a type that is not there and a definition that is not one of it are told apart")
    func failures() {
        let desk = desk()
        desk.tell(order(["depth": -1]))
        desk.tell(.triggerWoken(run, number: 1))
        let thrown = desk.tell(.triggerStored(run, number: 2))
        #expect(thrown == [.trigger(run, .failed(.threw, message: "negative"))])
        for (message, reason) in [
            (order(kind: "async:Other"), TriggerNews.Reason.unknown), (order(["depth": "deep"]), .broken),
        ] {
            guard case .trigger(run, .failed(let found, let words))? = desk.tell(message).first else {
                #expect(Bool(false), "nothing was said")
                continue
            }
            #expect(found == reason, "\(words)")
        }
    }

    @Test(
        "Code that holds its thread is told of after its budget, and code that suspends is not", .timeLimit(.minutes(1))
    )
    func slices() async {
        let watch = SliceWatch()
        let (held, told) = AsyncStream.makeStream(of: TimeSpan.self)
        let long = watch.begin(budget: TimeSpan(microseconds: 20_000)) { told.yield($0) }
        for _ in 0..<100 {
            watch.end(watch.begin(budget: .seconds(3_600)) { _ in Issue.record("a short slice was told of") })
        }
        var iterator = held.makeAsyncIterator()
        let span = await iterator.next()
        #expect((span?.microseconds ?? 0) >= 20_000)
        watch.end(long)
        watch.shutDown()
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
        #expect(
            desk.paper.take() == [
                .hello(
                    protocolVersion: BundleProtocol.version, bundleVersion: "v1", pid: 77,
                    oldestVersion: BundleProtocol.oldestVersion)
            ])
        #expect(desk.host.isBusy)
        #expect(desk.tell() == [.step(dispatchID: 1, key: "s#0", payload: "1", keep: false, began: FixedClock().now)])
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
                == [.step(dispatchID: 1, key: "undo#0", payload: "null", keep: false, began: FixedClock().now)])
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

/// Outputs in memory; can be full.
private final class Shelf: OutputStore {
    let files = Mutex<[String: [UInt8]]>([:])
    let isFull = Mutex(false)

    func write(_ bytes: [UInt8], as name: String) throws {
        guard !isFull.withLock({ $0 }) else { throw PerchError(.unavailable, "no space left") }
        files.withLock { $0[name] = bytes }
    }
    func read(_ name: String, from offset: Int, count: Int) throws -> [UInt8] {
        guard let bytes = files.withLock({ $0[name] }) else { throw PerchError(.unavailable, "\(name) is missing") }
        return Array(bytes.dropFirst(offset).prefix(count))
    }
}

@Suite("Long outputs in a bundle")
struct LongOutputTests {
    private let shelf = Shelf()
    private func desk(_ largest: Int = 1_000) -> Desk {
        Desk(
            DAG("d") { dag in
                let words = dag.task("words") { _ in ["a", String(repeating: "b", count: 30)] }
                dag.map("each", over: words) { context, word in "\(word)-\(try await context.render("{{ element }}"))" }
                dag.task("count", words) { _, words in words.map(\.count) }
                dag.task("huge") { _ in String(repeating: "c", count: 2_000) }
            }, outputs: OutputKeeping(store: shelf, inlineSize: 20, largest: largest))
    }

    private func output(_ messages: [BundleMessage]) throws -> (output: String, items: [String]?) {
        let outcome = messages.compactMap { if case .result(_, let outcome) = $0 { outcome } else { nil } }.first
        guard case .success(let output, let items)? = outcome else {
            throw PerchError(.invalid, "\(messages)")
        }
        return (output, items)
    }

    @Test("it is stored before it is reported, and what takes it reads it from there") func stored() throws {
        let desk = desk()
        desk.paper.onSend.withLock { onSend in
            onSend = { [shelf] message in
                if case .result = message { #expect(shelf.files.withLock { $0.count } == 1) }
            }
        }
        let words = try output(desk.tell(Desk.order("words", 5)))
        #expect(
            shelf.files.withLock { Array($0.keys) } == ["dag_id=d/run_id=r/task_id=words/attempt=1.dispatch=5.json"])
        desk.paper.onSend.withLock { $0 = nil }
        let items = try #require(words.items)
        #expect(items[0] == "\"a\"" && OutputText.isMarked(items[1]))
        let counts = try output(desk.tell(Desk.order("count", 6, inputs: [words.output])))
        #expect(counts.output == "[1,30]")
        let each = try output(desk.tell(Desk.order("each", 7, mapElement: items[1])))
        let long = String(repeating: "b", count: 30)
        #expect(try shelf.value(of: each.output) == "\"\(long)-\(long)\"")
    }

    @Test("one that is too long fails the try for good; one that finds no room, until there is some") func refused()
        throws
    {
        let huge = desk().tell(Desk.order("huge"))
        guard case .result(_, .failure(let message, let isRetryable, _))? = huge.last else {
            Issue.record("\(huge)")
            return
        }
        #expect(message.contains("2002 bytes") && message.contains("1000") && !isRetryable, "\(message)")
        shelf.isFull.withLock { $0 = true }
        let full = desk(10_000).tell(Desk.order("huge"))
        guard case .result(_, .failure(let words, let isTriedAgain, _))? = full.last else {
            Issue.record("\(full)")
            return
        }
        #expect(words.contains("no space left") && isTriedAgain, "\(words)")
    }

    @Test("an input that is not there any more fails the try, and says which file is missing") func missing() throws {
        let desk = desk()
        let words = try output(desk.tell(Desk.order("words", 5)))
        shelf.files.withLock { $0 = [:] }
        let failed = desk.tell(Desk.order("count", 6, inputs: [words.output]))
        guard case .result(_, .failure(let message, _, _))? = failed.last else {
            Issue.record("\(failed)")
            return
        }
        #expect(message.contains("dispatch=5.json is missing"), "\(message)")
    }
}
