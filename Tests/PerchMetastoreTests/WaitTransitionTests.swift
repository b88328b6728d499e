// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK
import Testing

@Suite("Waits are registered and fired in one transaction each, and the first fire wins", .onEveryGround)
struct WaitTransitionTests {
    @Test("A sensor goes from the scheduler to its wait and from its wait to its end")
    func sensor() async throws {
        let stage = try await Stage()
        let after = TaskDefinition.code("after", after: [0]) { $0.inputs = [0] }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.sensor("s", .file("/a")), after]))
        let run = try await stage.trigger("d")
        let wait = try #require(try await stage.waits().first)
        #expect(wait.kind == "file" && wait.target == "/a" && wait.isSensor)
        #expect(wait.deadline == stage.clock.now + .seconds(3600))
        #expect(try await stage.claim().isEmpty)
        #expect(try await stage.fire(wait.waitID))
        #expect(try await stage.states(run) == ["s": .success, "after": .queued])
        #expect(try await stage.claim().first?.inputs == ["\"here\""])
        let journal = try await stage.store.read {
            try $0.journal(taskInstanceID: wait.taskInstanceID, tryNumber: 1)
        }
        #expect(journal.map(\.outcome) == ["{\"event\":\"here\"}"])
        #expect(try await stage.faults() == [])
    }

    @Test("A wait that makes HTTP requests, itself or by a member, is stored with the trace of its run; no other is")
    func traced() async throws {
        let stage = try await Stage()
        let http = TriggerSpec(kind: "http", target: "http://a", definition: ["url": "http://a"])
        func any(_ members: TriggerSpec...) -> TriggerSpec {
            let nodes = members.map { JSONValue.object(["wait": $0.json]) }
            return TriggerSpec(
                kind: "composite", target: "any of them", definition: ["at_least": 1, "of": .array(nodes)])
        }
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [
                    .sensor("plain", http), .sensor("both", any(.file("/a"), http)), .sensor("files", any(.file("/a"))),
                ]))
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        var wanted = RunRequest(dagID: "d", runID: "r")
        wanted.traceparent = parent
        let request = wanted
        _ = try await stage.store.write { try $0.createRun(request) }
        try await stage.advance()
        let told = Dictionary(
            try await stage.waits().map { ($0.key.taskID, $0.definition?.components(separatedBy: parent).count ?? 0) }
        ) { $1 }
        #expect(told == ["plain": 2, "both": 2, "files": 1])
    }

    @Test("A second fire of a wait is a no-op, whatever its outcome")
    func firstWins() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.sensor("s", .file("/a"))]))
        let run = try await stage.trigger("d")
        let wait = try #require(try await stage.waits().first)
        #expect(try await stage.fire(wait.waitID, .timeout))
        #expect(try await stage.fire(wait.waitID) == false)
        #expect(try await stage.fire(wait.waitID, byHand: true) == false)
        #expect(try await stage.states(run) == ["s": .failed])
    }

    @Test("A sensor's timeout fails it, skips it where it fails softly, and is tried again where it has retries")
    func sensorTimeouts() async throws {
        let stage = try await Stage()
        let retried = TaskDefinition.sensor("retried", .file("/c")) { $0.retries = 1 }
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [.sensor("hard", .file("/a")), .sensor("soft", .file("/b"), softFail: true), retried]))
        let run = try await stage.trigger("d")
        for wait in try await stage.waits() { _ = try await stage.fire(wait.waitID, .timeout) }
        #expect(try await stage.states(run) == ["hard": .failed, "soft": .skipped, "retried": .upForRetry])
        stage.clock.advance(.seconds(300))
        _ = try await stage.store.write { try $0.retryDue(limit: 10) }
        let again = try #require(try await stage.waits().first)
        #expect(again.tryNumber == 2)
        _ = try await stage.fire(again.waitID)
        #expect(try await stage.states(run)["retried"] == .success)
        #expect(try await stage.state(run) == .failed)
    }

    @Test("A task defers, its slot is free, and it is queued again with its journal when the wait fires")
    func deferral() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        let run = try await stage.trigger("d")
        let first = try #require(try await stage.claim().first)
        _ = try await stage.store.write {
            try $0.recordSteps([
                StepRecord(
                    taskInstanceID: first.taskInstanceID, dispatchID: first.dispatchID, key: "s#0", payload: "7",
                    keepAcrossRetries: false)
            ])
        }
        #expect(try await stage.deferTask(first, timeout: .seconds(10)))
        #expect(try await stage.states(run) == ["a": .deferred])
        #expect(try await stage.faults() == [])
        let wait = try #require(try await stage.waits().first)
        #expect(wait.deadline == stage.clock.now + .seconds(10))
        #expect(try await stage.fire(wait.waitID))
        let second = try #require(try await stage.claim().first)
        #expect(second.tryNumber == 1 && second.dispatchID != first.dispatchID)
        #expect(second.journal.map(\.key) == ["s#0", "wait#0"])
        #expect(second.journal[1].outcome == "{\"event\":\"here\"}")
        try await stage.succeed(second)
        #expect(try await stage.state(run) == .success)
    }

    @Test("Deferred time does not count as run time")
    func executionTimeout() async throws {
        let stage = try await Stage()
        let task = TaskDefinition.code("a") { $0.executionTimeout = .seconds(5) }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [task]))
        _ = try await stage.trigger("d")
        let first = try #require(try await stage.claim().first)
        #expect(first.executionLeft == .seconds(5))
        try await stage.deferTask(first)
        stage.clock.advance(.seconds(100))
        _ = try await stage.fire(#require(try await stage.waits().first).waitID)
        #expect(try await stage.claim().first?.executionLeft == .seconds(4))
    }

    @Test("A resumed task goes ahead of new ones, and waits for a slot where its pool is full")
    func resumedFirst() async throws {
        let stage = try await Stage()
        let tasks = [TaskDefinition.code("first") { $0.priority = 9 }] + (0..<200).map { .code("t\($0)") }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: tasks))
        let run = try await stage.trigger("d")
        let first = try #require(try await stage.claim(1).first)
        try await stage.deferTask(first)
        _ = try await stage.fire(#require(try await stage.waits().first).waitID)
        #expect(try await stage.states(run)[first.key.taskID] == .scheduled)
        try await stage.succeed(#require(try await stage.claim(1).first))
        #expect(try await stage.claim(1).first?.key == first.key)
        #expect(try await stage.faults() == [])
    }

    @Test("A template that does not resolve fails its sensor with the reason, and nothing else")
    func badTemplate() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(
                dagID: "d", tasks: [.sensor("bad", .file("/{{ nonsense }}")), .sensor("good", .file("/{{ ds }}"))]))
        let run = try await stage.trigger("d")
        #expect(try await stage.states(run) == ["bad": .failed, "good": .deferred])
        #expect(try await stage.waits().map(\.target) == ["/2026-01-01"])
    }

    @Test("A triggerer that has lost its lease fires nothing")
    func lostLease() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.sensor("s", .file("/a"))]))
        let run = try await stage.trigger("d")
        let wait = try #require(try await stage.waits().first)
        let old = stage.lease
        try await stage.store.write { try $0.removeTriggerer(old) }
        let other = try await stage.store.write {
            let owner = try $0.registerTriggerer(
                ProcessIdentity(pid: 2, startTime: 1, bootID: "b", host: "h"), terms: TriggererTerms(),
                lease: .seconds(1_000_000))
            _ = try $0.shareShards(owner)
            return owner
        }
        await #expect(throws: PerchError.self) { try await stage.fire(wait.waitID) }
        #expect(try await stage.states(run) == ["s": .deferred])
        let won = try await stage.store.write {
            try $0.fire([Firing(waitID: wait.waitID, outcome: .event(.null), by: "triggerer")], lease: other)
        }
        #expect(won == [true])
    }

    @Test("A hand-fire and a cancel leave the triggerer a note")
    func notes() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: [.sensor("a", .file("/a")), .sensor("b", .file("/b"))]))
        let run = try await stage.trigger("d")
        let waits = try await stage.waits().sorted { $0.target < $1.target }
        #expect(try await stage.fire(waits[0].waitID, byHand: true))
        let key = waits[1].key
        #expect(
            try await stage.store.write {
                try $0.cancelTask(key, intent: CancelIntent(finalState: .failed, reason: "enough", by: "anna"))
            })
        #expect(try await stage.states(run) == ["a": .success, "b": .failed])
        let notes = try await stage.store.read { try $0.waitNotes(after: 0, limit: 10) }
        #expect(notes.map(\.waitID) == waits.map(\.waitID))
        let owner = stage.lease
        try await stage.store.write { try $0.forgetWaitNotes(upTo: notes[1].seq, of: owner) }
        #expect(try await stage.store.read { try $0.waitNotes(after: 0, limit: 10) }.isEmpty)
    }

    @Test("A waiting task with onKill is dispatched once more to clean up, and ends as intended whatever it returns")
    func cancelWithOnKill() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a") { $0.hasOnKill = true }]))
        let run = try await stage.trigger("d")
        let first = try #require(try await stage.claim().first)
        try await stage.deferTask(first)
        let key = first.key
        let intent = CancelIntent(finalState: .failed, reason: "enough", by: "anna")
        #expect(try await stage.store.write { try $0.cancelTask(key, intent: intent) })
        #expect(try await stage.waits().isEmpty)
        let cleaning = try #require(try await stage.claim().first)
        #expect(cleaning.cancel == intent)
        try await stage.succeed(cleaning, output: "1")
        #expect(try await stage.states(run) == ["a": .failed])
        #expect(try await stage.faults() == [])
    }

    @Test(
        "A cancel that comes as a fire ends a task without onKill at once, and lets another clean up",
        arguments: [false, true])
    func cancelAsFire(hasOnKill: Bool) async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a") { $0.hasOnKill = hasOnKill }]))
        let run = try await stage.trigger("d")
        try await stage.deferTask(#require(try await stage.claim().first))
        let intent = CancelIntent(finalState: .skipped, reason: "enough", by: "anna")
        #expect(try await stage.fire(#require(try await stage.waits().first).waitID, .cancelled(intent), byHand: true))
        if hasOnKill {
            let cleaning = try #require(try await stage.claim().first)
            #expect(cleaning.cancel == intent)
            try await stage.finish(cleaning, .cancelled)
        }
        #expect(try await stage.claim().isEmpty)
        #expect(try await stage.states(run) == ["a": .skipped])
        #expect(try await stage.faults() == [])
    }

    @Test("A task that defers while a cancel is under way ends as the cancel intends")
    func cancelAgainstDefer() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        let run = try await stage.trigger("d")
        let first = try #require(try await stage.claim().first)
        let key = first.key
        _ = try await stage.store.write {
            try $0.cancelTask(key, intent: CancelIntent(finalState: .failed, reason: "enough", by: "anna"))
        }
        let worker = stage.worker
        #expect(
            try await stage.store.read { try $0.cancelOrders(worker: worker) }.map(\.dispatchID) == [first.dispatchID])
        #expect(try await stage.deferTask(first))
        #expect(try await stage.states(run) == ["a": .failed])
        #expect(try await stage.waits().isEmpty)
    }

    @Test("Cancelling a run ends everything that has not begun as skipped, the rest as failed, and the run as failed")
    func cancelRun() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [
                    .sensor("s", .file("/a")), .code("running"), .code("later", after: [0]), .code("last", after: [1]),
                ]))
        let run = try await stage.trigger("d")
        let running = try #require(try await stage.claim().first)
        #expect(try await stage.store.write { try $0.cancelRun(dagID: "d", runID: "r1", by: "anna") })
        #expect(
            try await stage.states(run) == ["s": .failed, "running": .running, "later": .skipped, "last": .skipped])
        try await stage.finish(running, .cancelled)
        #expect(try await stage.state(run) == .failed)
        #expect(try await stage.store.write { try $0.cancelRun(dagID: "d", runID: "r1", by: "anna") } == false)
        #expect(try await stage.faults() == [])
    }

    @Test("A paused DAG's waits fire, its tasks are held, and go on when it is unpaused")
    func pause() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: [.sensor("s", .file("/a")), .code("c", after: [0]), .code("q")]))
        let run = try await stage.trigger("d")
        try await stage.store.write { try $0.setPaused("d", true) }
        #expect(try await stage.states(run)["q"] == .scheduled)
        _ = try await stage.fire(#require(try await stage.waits().first).waitID)
        #expect(try await stage.states(run) == ["s": .success, "c": .scheduled, "q": .scheduled])
        #expect(try await stage.store.write { try $0.promoteScheduled(limit: 10) } == false)
        #expect(try await stage.claim().isEmpty)
        try await stage.store.write { try $0.setPaused("d", false) }
        _ = try await stage.store.write { try $0.promoteScheduled(limit: 10) }
        #expect(try await stage.claim().count == 2)
        #expect(try await stage.faults() == [])
    }

    @Test("A wait under a key that is recorded already fails its task, and holds up no other")
    func recordedKey() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        let run = try await stage.trigger("d")
        try await stage.deferTask(#require(try await stage.claim().first))
        _ = try await stage.fire(#require(try await stage.waits().first).waitID)
        #expect(try await stage.deferTask(#require(try await stage.claim().first)))
        #expect(try await stage.states(run) == ["a": .failed])
        #expect(try await stage.faults() == [])
    }

    @Test("A later wait of the same target looks after the event that the earlier one received")
    func eventFloor() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        _ = try await stage.store.write { try $0.emit([NewEvent(name: "x"), NewEvent(name: "x")]) }
        _ = try await stage.trigger("d")
        let trigger = TriggerSpec(kind: "event", target: "x")
        try await stage.deferTask(#require(try await stage.claim().first), key: "wait#0", trigger: trigger)
        let first = try #require(try await stage.waits().first)
        #expect(first.eventFloor == 2)
        let lease = stage.lease
        _ = try await stage.store.write {
            try $0.fire(
                [Firing(waitID: first.waitID, outcome: .event(.null), eventSeq: 9, by: "triggerer")], lease: lease)
        }
        try await stage.deferTask(#require(try await stage.claim().first), key: "wait#1", trigger: trigger)
        #expect(try await stage.waits().first?.eventFloor == 9)
    }
}
