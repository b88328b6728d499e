// SPDX-License-Identifier: Apache-2.0

import PerchBundle
import PerchSDK
import Testing

@testable import PerchExecutor
@testable import PerchMetastore
@testable import PerchSimulation

@Suite("Simulated bundles")
struct SimulatedBundleTests {
    /// One bundle and what the engine hears of it.
    private final class Desk: @unchecked Sendable {  // because the world has one thread
        let world: World
        let machine = SimulatedMachine()
        let engine = ProcessLife(name: "engine")
        let bundles: SimulatedBundles
        private let reactor: VirtualReactor
        private let enginePid: Int32
        private(set) var heard: [String] = []
        private(set) var times: [Int64] = []
        private(set) var messages: [BundleMessage] = []
        private(set) var ends: [String] = []
        private(set) var bundle: SimulatedBundle?
        /// What the engine does with a message at once.
        var answer: (BundleMessage) -> EngineMessage? = { _ in nil }

        init(seed: UInt64, latency: Latency = .ordinary, _ dags: [DAG]) {
            world = World(seed: seed, now: 1_767_225_600_000_000)
            enginePid = machine.add {}
            bundles = SimulatedBundles(
                world: world, machine: machine, clock: VirtualClock(world), latency: latency, dags: dags)
            reactor = VirtualReactor(name: "executor", world: world, process: engine)
            reactor.start()
        }

        func launch() {
            reactor.submit { [self] in
                let callbacks = BundleCallbacks(
                    messages: { [self] in take($0) }, printed: { _, _ in },
                    ended: { [self] words in
                        heard.append("ended")
                        ends.append(words)
                    })
                let launcher = bundles.launcher(engine: engine, pid: enginePid, reactor: reactor)
                do {
                    bundle = try launcher.launch(loop: reactor.loop, callbacks: callbacks) as? SimulatedBundle
                } catch {
                    Issue.record(error)
                }
            }
            _ = world.runOne()
        }

        private func take(_ new: [BundleMessage]) {
            for message in new {
                heard.append("\(message)")
                times.append(world.elapsed)
                messages.append(message)
                if let next = answer(message) { sendNow(next) }
            }
        }

        private func sendNow(_ message: EngineMessage) {
            do {
                try bundle?.send(message)
                bundle?.flush()
            } catch {
                Issue.record(error)
            }
        }

        func send(_ message: EngineMessage) {
            reactor.submit { [self] in sendNow(message) }
        }

        func run(_ taskID: String, _ dispatchID: Int64 = 1) {
            let now = Timestamp(microseconds: world.now)
            send(
                .run(
                    RunOrder(
                        dispatchID: dispatchID, taskInstanceID: dispatchID, taskIndex: 0,
                        facts: AttemptFacts(
                            dagID: "d", runID: "r", taskID: taskID, logicalDate: now, dataIntervalStart: now,
                            dataIntervalEnd: now))))
        }

        /// Lets everything happen that will; bounded, for a busy bundle says for ever that it lives.
        func settle() { while world.steps < 2_000_000, world.step() {} }

        /// Lets go of what the test holds.
        func forget() {
            bundle = nil
            answer = { _ in nil }
        }
    }

    /// Steps are recorded as they come.
    private static func record(_ message: BundleMessage) -> EngineMessage? {
        guard case .step(let dispatchID, let key, _, _, _) = message else { return nil }
        return .recorded(dispatchID: dispatchID, key: key)
    }

    private static let steps = DAG("d") { dag in
        dag.task("t") { context in
            var sum = 0
            for number in 0..<5 { sum += try await context.step("s") { number } }
            return sum
        }
    }

    private func history(seed: UInt64) -> (heard: [String], times: [Int64]) {
        let desk = Desk(seed: seed, [Self.steps])
        desk.answer = Self.record
        desk.launch()
        desk.send(.hello(protocolVersion: 1))
        desk.run("t")
        desk.run("t", 2)
        desk.settle()
        return (desk.heard, desk.times)
    }

    @Test("Real code runs through real bytes, in order within a dispatch, and a seed is a history")
    func seeds() {
        var histories: Set<[Int64]> = []
        for seed in UInt64(1)...30 {
            let (heard, times) = history(seed: seed)
            #expect((heard, times) == history(seed: seed))
            #expect(heard.count == 13)
            #expect(heard.first?.hasPrefix("hello") == true)
            histories.insert(times)
        }
        #expect(histories.count == 30)
    }

    @Test("A bundle that dies says nothing more, its code ends, and the engine hears of its death once, last")
    func death() {
        for seed in UInt64(1)...50 {
            let marks = Marks()
            let desk = Desk(
                seed: seed,
                [
                    DAG("d") { dag in
                        dag.task("t") { context in
                            marks.began += 1
                            defer { marks.ended += 1 }
                            while true { try await context.step("s") { marks.bodies += 1 } }
                        }
                    }
                ])
            desk.answer = Self.record
            desk.launch()
            desk.run("t")
            for _ in 0..<desk.world.random(in: 1...200) { desk.world.step() }
            desk.bundle?.die("died of signal 11 (Segmentation fault)")
            let bodies = marks.bodies
            desk.settle()
            #expect(desk.ends == ["died of signal 11 (Segmentation fault)"])
            #expect(desk.heard.last == "ended")
            #expect(marks.bodies == bodies)
            #expect(marks.began == marks.ended)
            #expect(desk.machine.count == 1)
            #expect(desk.bundles.all.isEmpty)
        }
    }

    @Test("Thousands of deaths leave nothing behind: no process, no lane, no code, no bundle")
    func memory() {
        let marks = Marks()
        let desk = Desk(
            seed: 1,
            [
                DAG("d") { dag in
                    dag.task("t", hasOnKill: true) { context in
                        let witness = MarkedObject(marks)
                        context.onKill { _ = witness }
                        while true { try await context.step("s") { _ = witness } }
                    }
                }
            ])
        desk.answer = Self.record
        weak var last: SimulatedBundle?
        for number in Int64(1)...3_000 {
            desk.launch()
            desk.run("t", number)
            for _ in 0..<desk.world.random(in: 1...60) { desk.world.step() }
            last = desk.bundle
            desk.bundle?.die("died of signal 9 (Killed)")
            desk.settle()
            desk.forget()
            desk.answer = Self.record
        }
        // The last thing that a lane has run stays in it until the next.
        desk.send(.describe)
        desk.settle()
        #expect(last == nil)
        #expect(marks.witnesses == 0)
        #expect(marks.made > 100)
        #expect(desk.machine.count == 1)
        #expect(desk.world.laneCount == 1)
    }

    @Test("What is said twice comes after what was said once, with poison in it, from a dead bundle too")
    func poison() {
        var afterDeath = 0
        for seed in UInt64(1)...40 {
            let desk = Desk(seed: seed, [Self.steps])
            desk.answer = Self.record
            desk.launch()
            desk.bundles.duplicate(for: 3_600_000_000)
            desk.run("t")
            for _ in 0..<desk.world.random(in: 20...200) { desk.world.step() }
            desk.bundle?.die("died of signal 9 (Killed)")
            desk.settle()
            var known: Set<String> = []
            for (index, message) in desk.messages.enumerated() {
                let (name, isPoisoned): (String, Bool)
                switch message {
                case .step(_, let key, let payload, _, _): (name, isPoisoned) = (key, payload == "\"poison\"")
                case .result(_, .success(let output, _)): (name, isPoisoned) = ("result", output == "\"poison\"")
                default: continue
                }
                #expect(isPoisoned == known.contains(name), "message \(index) of seed \(seed)")
                known.insert(name)
            }
            if let end = desk.heard.firstIndex(of: "ended"), end < desk.heard.count - 1 { afterDeath += 1 }
        }
        #expect(afterDeath > 5)
    }

    @Test("A busy bundle says every ten seconds that it lives, and nothing while it is stalled; an idle one is quiet")
    func alive() {
        let marks = Marks()
        let desk = Desk(
            seed: 1,
            [
                DAG("d") { dag in
                    dag.task("t") { _ in await marks.world?.sleep(100_000_000) }
                }
            ])
        marks.world = desk.world
        desk.launch()
        desk.run("t")
        while desk.world.step(until: 35_000_000) {}
        #expect(desk.messages == [.alive, .alive, .alive])
        desk.bundle?.life.stall(until: 75_000_000)
        while desk.world.step(until: 75_000_000 - 1) {}
        #expect(desk.messages.count == 3)
        desk.settle()
        #expect(desk.messages.last == .result(dispatchID: 1, .success(output: "null", items: nil)))
        #expect((5...7).contains(desk.messages.count { $0 == .alive }))
        #expect(desk.world.elapsed < 120_000_000)
    }

    @Test("Nonsense ends the bundle, and the engine says what was broken")
    func nonsense() {
        for seed in UInt64(1)...20 {
            let desk = Desk(seed: seed, [Self.steps])
            desk.launch()
            desk.send(.hello(protocolVersion: 1))
            desk.settle()
            desk.bundle?.talkNonsense()
            desk.send(.hello(protocolVersion: 1))
            desk.settle()
            #expect(desk.messages.count { if case .hello = $0 { true } else { false } } == 1)
            #expect(desk.ends.count == 1)
            #expect(desk.ends.first?.hasPrefix("broke the protocol: ") == true)
            #expect(desk.machine.count == 1)
        }
    }

    @Test("A dead engine hears nothing, and its bundles are gone a moment later")
    func engineDeath() {
        let desk = Desk(seed: 1, [Self.steps])
        desk.launch()
        desk.run("t")
        // Its code waits for a record: without a limit it would say for ever that it lives.
        while desk.world.step(until: 25_000_000) {}
        let heard = desk.messages.count
        desk.engine.die(now: desk.world.now)
        desk.bundles.engineDied(desk.engine)
        desk.settle()
        #expect(desk.bundles.all.isEmpty)
        #expect(desk.machine.count == 1)
        #expect(desk.messages.count == heard)
    }

    @Test("A process is told from a later one of its number, from one of another boot and from one of another machine")
    func processes() throws {
        let machine = SimulatedMachine()
        let own = machine.add {}
        let table = machine.view(of: own)
        var ended: [Int32] = []
        let first = machine.add(parent: own) { ended.append(1) }
        let row = ProcessRow(
            processID: 1, role: "bundle", try #require(table.identity(of: first)))
        #expect(table.isAlive(row) && table.parent(of: first) == own)
        #expect(table.end(row, mark: "") && ended == [1])
        #expect(!table.end(row, mark: "") && !table.isAlive(row) && table.hasEnded(row))
        var second = machine.add {}
        while second != first {
            machine.remove(second)
            second = machine.add {}
        }
        #expect(!table.isAlive(row) && table.hasEnded(row))
        let later = ProcessRow(processID: 2, role: "bundle", try #require(table.identity(of: second)))
        #expect(table.isAlive(later))
        var foreign = later
        foreign.host = "elsewhere"
        #expect(!table.isAlive(foreign) && !table.hasEnded(foreign))
        machine.lostPower()
        #expect(!table.isOfThisBoot(later) && table.hasEnded(later))
        #expect(throws: PerchError.self) { try table.current() }
    }
}

/// What code of the tests leaves behind.
private final class Marks: @unchecked Sendable {  // because the world has one thread
    var began = 0
    var ended = 0
    var bodies = 0
    var made = 0
    var witnesses = 0
    weak var world: World?
}

private final class MarkedObject: @unchecked Sendable {  // because the world has one thread
    private let marks: Marks
    init(_ marks: Marks) {
        self.marks = marks
        marks.made += 1
        marks.witnesses += 1
    }
    deinit { marks.witnesses -= 1 }
}

extension ProcessRow {
    fileprivate init(processID: Int64, role: String, _ identity: ProcessIdentity) {
        self.init(
            processID: processID, role: role, pid: identity.pid, startTime: identity.startTime,
            bootID: identity.bootID, host: identity.host, startedAt: Timestamp(microseconds: 0),
            leaseUntil: Timestamp(microseconds: 0))
    }
}
