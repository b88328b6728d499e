// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK
import Testing

@testable import PerchTriggerer

@Suite("The triggerer on SQLite", .serialized, .timeLimit(.minutes(1)))
struct TriggererTests {
    private let soon = TimeSpan(microseconds: 30_000)

    @Test("Waits for time fire, those that were there before the start and those that come later")
    func time() async throws {
        let bench = try TriggererBench()
        let early = try await bench.run("early", [TriggererBench.time(after: soon), TriggererBench.time(after: soon)])
        await bench.triggerer.start()
        #expect(try await bench.states(of: early, dagID: "early") == [.success, .success])
        let late = try await bench.run("late", [TriggererBench.time(after: soon)])
        #expect(try await bench.states(of: late, dagID: "late") == [.success])
        try await bench.end()
    }

    @Test("Events fire their waits, whether they come before the wait is armed or after")
    func events() async throws {
        let bench = try TriggererBench()
        let run = try await bench.run(
            "d", [TriggererBench.event("a", key: "1"), TriggererBench.event("a", key: "2"), TriggererBench.event("b")])
        try await bench.emit("a", key: "1", ["n": 1])
        try await bench.emit("a", key: "1", ["n": 2])
        await bench.triggerer.start()
        try await bench.emit("a", key: "2")
        try await bench.emit("b", key: "x")
        #expect(try await bench.states(of: run, dagID: "d") == [.success, .success, .success])
        let first = try await bench.metastore.read {
            try $0.taskInstance(TaskInstanceKey(dagID: "d", runID: "r", taskID: "t0"))?.output
        }
        #expect(try JSONValue(parsing: first ?? "")["payload"]?["n"] == 1)
        try await bench.end()
    }

    @Test("A wait that nothing fires times out at its deadline")
    func timeout() async throws {
        let bench = try TriggererBench()
        await bench.triggerer.start()
        let run = try await bench.run(
            "d",
            [TriggererBench.event("never", timeout: soon), TriggererBench.time(after: .seconds(3_600), timeout: soon)])
        #expect(try await bench.states(of: run, dagID: "d") == [.failed, .failed])
        try await bench.end()
    }

    @Test("After an outage an event that came in time beats the overdue timeout, one that came too late does not")
    func overdueEvents() async throws {
        let bench = try TriggererBench()
        let run = try await bench.run(
            "d", [TriggererBench.event("in.time", timeout: .seconds(1)), TriggererBench.event("late", timeout: soon)])
        try await bench.emit("in.time")
        // A wait of another run, past the deadlines, tells when they have passed.
        let other = try await bench.run("clock", [TriggererBench.event("late", timeout: .seconds(1))])
        let deadline = try await bench.metastore.read { try $0.waits(WaitFilter()).compactMap(\.deadline).min() }
        let passed = try #require(deadline)
        while bench.metastore.clock.now <= passed { await Task.yield() }
        try await bench.emit("late")
        await bench.triggerer.start()
        #expect(try await bench.states(of: run, dagID: "d") == [.success, .failed])
        #expect(try await bench.states(of: other, dagID: "clock") == [.success])
        try await bench.end()
    }

    @Test("A wait of a kind that nothing watches fails its task and says which kinds there are")
    func unknownKind() async throws {
        let bench = try TriggererBench()
        await bench.triggerer.start()
        let sensor = SensorDefinition(trigger: TriggerSpec(kind: "moon", target: "full"))
        let run = try await bench.run("d", [sensor])
        #expect(try await bench.states(of: run, dagID: "d") == [.failed])
        let message = try await bench.metastore.read {
            try $0.taskInstance(TaskInstanceKey(dagID: "d", runID: "r", taskID: "t0"))?.message
        }
        #expect(message?.contains("'moon'") == true)
        #expect(message?.contains("event, file, time") == true)
        try await bench.end()
    }

    @Test("What waited when a triggerer stopped is taken up by the next one at once")
    func restart() async throws {
        let bench = try TriggererBench()
        await bench.triggerer.start()
        let run = try await bench.run("d", [TriggererBench.event("go"), TriggererBench.time(after: soon)])
        try await bench.stop()
        let next = try TriggererBench(home: bench.home)
        await next.triggerer.start()
        try await next.emit("go")
        #expect(try await next.states(of: run, dagID: "d") == [.success, .success])
        try await next.end()
    }

    @Test("What a file was is stored with its wait, and that it has gone is found by the next triggerer")
    func storedBaseline() async throws {
        let first = try TriggererBench()
        let path = first.home + ".json"
        #expect(FileManager.default.createFile(atPath: path, contents: Data("{}".utf8)))
        let run = try await first.run("d", [try TriggererBench.file(changed: path)])
        await first.triggerer.start()
        while try await first.metastore.read({ try $0.waits(WaitFilter()).first?.progress }) == nil {
            await Task.yield()
        }
        try await first.stop()
        // Without what was stored, its absence would be what changes are measured from.
        try FileManager.default.removeItem(atPath: path)
        let second = try TriggererBench(home: first.home)
        await second.triggerer.start()
        #expect(try await second.states(of: run, dagID: "d") == [.success])
        try await second.end()
    }

    @Test("A dead triggerer's lease does not have to run out, a live one's does")
    func deadOwner() async throws {
        let bench = try TriggererBench()
        let identity = try ProcessIdentity.current()
        // A process of another boot cannot be alive.
        try await bench.metastore.write { transaction in
            let dead = try transaction.registerTriggerer(
                ProcessIdentity(pid: 1, startTime: 0, bootID: "another", host: identity.host),
                terms: TriggererTerms(), lease: .seconds(3_600))
            _ = try transaction.shareShards(dead)
        }
        await bench.triggerer.start()
        let run = try await bench.run("d", [TriggererBench.time(after: soon)])
        #expect(try await bench.states(of: run, dagID: "d") == [.success])
        try await bench.end()
    }

    @Test("A triggerer whose waits were taken away fires nothing, and goes on once it has them again")
    func lostLease() async throws {
        let bench = try TriggererBench()
        await bench.triggerer.start()
        let first = try await bench.run("first", [TriggererBench.time(after: soon)])
        _ = try await bench.states(of: first, dagID: "first")
        let owner = try #require(await bench.triggerer.summary().owner)
        try await bench.metastore.write { try $0.removeTriggerer(owner) }
        let second = try await bench.run("second", [TriggererBench.time(after: soon), TriggererBench.event("go")])
        try await bench.emit("go")
        #expect(try await bench.states(of: second, dagID: "second") == [.success, .success])
        let summary = await bench.triggerer.summary()
        #expect(summary.leasesLost == 1)
        #expect(summary.owner != owner)
        try await bench.end()
    }

    @Test("A wait that was fired by hand is forgotten by its source")
    func byHand() async throws {
        let bench = try TriggererBench()
        await bench.triggerer.start()
        let run = try await bench.run("d", [TriggererBench.event("go"), TriggererBench.time(after: soon)])
        let waitID = try #require(
            try await bench.metastore.read { try $0.waits(WaitFilter()).first { $0.kind == "event" }?.waitID })
        _ = try await bench.metastore.write {
            try $0.fire([Firing(waitID: waitID, outcome: .event(.null), by: "ada")], lease: nil)
        }
        #expect(try await bench.states(of: run, dagID: "d") == [.success, .success])
        // The removal was read with what came after it.
        let later = try await bench.run("later", [TriggererBench.time(after: soon)])
        _ = try await bench.states(of: later, dagID: "later")
        #expect(await bench.triggerer.summary().waits == ["event": 0, "file": 0, "time": 0])
        #expect(await bench.triggerer.explain(waitID) == nil)
        try await bench.end()
    }

    @Test("Ten thousand waits due together are all fired")
    func burst() async throws {
        let bench = try TriggererBench()
        await bench.triggerer.start()
        let sensors = Array(repeating: TriggererBench.time(after: soon), count: 10_000)
        let run = try await bench.run("d", sensors)
        let states = try await bench.states(of: run, dagID: "d")
        #expect(states.count { $0 == .success } == 10_000)
        try await bench.end()
    }
}
