// SPDX-License-Identifier: Apache-2.0

import PerchBundle
import PerchSDK
import Testing

@testable import PerchExecutor
@testable import PerchMetastore

/// A core, the time, and what it asked for.
private struct Bench {
    var core = HostedCore(settings: HostedCore.Settings())
    var now = Timestamp(microseconds: 1_000_000_000)
    var launched: [Int] = []
    /// The process and the run of each wait that was begun last.
    var runs: [Int64: (group: Int, run: Int64)] = [:]
    var ended: [TriggerRun] = []
    var woken: [Int64] = []
    var killed: [Int] = []
    var retired: [Int] = []
    var fired: [Int64: WaitOutcome] = [:]
    /// Those whose logs are at their end.
    var quiet: [Int64] = []

    mutating func claim(_ waitIDs: ClosedRange<Int64>) {
        let waits = waitIDs.map { id in
            HostedWait(
                wait: WaitRow(
                    waitID: id, taskInstanceID: id, key: TaskInstanceKey(dagID: "d", runID: "r", taskID: "t\(id)"),
                    tryNumber: 1, journalKey: "sensor", kind: "async:T", target: "T", since: now, isSensor: true,
                    shard: 0,
                    queue: "default", eventFloor: 0))
        }
        var outcome = HostedOutcome()
        outcome.claimed = waits
        core.committed(HostedTurn(), outcome, now: now)
        perform()
    }

    mutating func perform() {
        for action in core.takeActions() {
            switch action {
            case .launch(.hosting(let group)): launched.append(group)
            case .send(.hosting(let group), .hostTrigger(let order)): runs[order.run.waitID] = (group, order.run.run)
            case .send(_, .endTrigger(let run)): ended.append(run)
            case .send(_, .triggerWoken(let run, _)): woken.append(run.waitID)
            case .kill(.hosting(let group)): killed.append(group)
            case .retire(.hosting(let group)): retired.append(group)
            case .ended(let trigger): quiet.append(trigger.wait.waitID)
            default: break
            }
        }
    }

    mutating func bringUp(version: Int = BundleProtocol.version) {
        while !launched.isEmpty {
            core.ready(launched.removeFirst(), version: version, now: now)
            perform()
        }
    }

    mutating func say(_ news: TriggerNews, _ waitID: Int64) {
        guard let (group, run) = runs[waitID] else { return }
        core.receive(news, of: TriggerRun(waitID: waitID, run: run), from: group, now: now)
        perform()
    }

    mutating func die(_ group: Int) {
        core.died(group, "died of signal 6", now: now)
        perform()
    }

    mutating func pass(_ seconds: Int64) {
        now = now + .seconds(seconds)
        core.passTime(now: now)
        perform()
    }

    mutating func commit() {
        let turn = core.takeTurn()
        for firing in turn.firings { fired[firing.waitID] = firing.outcome }
        var outcome = HostedOutcome()
        outcome.stored = turn.checkpoints.map { _ in true }
        core.committed(turn, outcome, now: now)
        perform()
    }
}

@Suite("The state machine of hosted triggers", .timeLimit(.minutes(1)))
struct HostedCoreTests {
    @Test("all triggers share a process; an event fires the wait once, and what comes later of that run means nothing")
    func event() {
        var bench = Bench()
        bench.claim(1...3)
        #expect(bench.launched.count == 1)
        bench.bringUp()
        bench.say(.event("1"), 2)
        bench.say(.event("2"), 2)
        bench.say(.checkpoint(number: 1, value: "3"), 2)
        #expect(bench.ended.map(\.waitID) == [2])
        bench.commit()
        #expect(bench.fired == [2: .event(1)])
        #expect(bench.core.hosted.count == 2)
    }

    @Test("the log of one that has said something is told to be at its end, however its wait has ended")
    func quiet() {
        var bench = Bench()
        bench.claim(1...4)
        bench.bringUp()
        for waitID in [1, 2] as [Int64] {
            bench.say(.log([LogLine(at: bench.now, level: .info, message: "x")]), waitID)
        }
        bench.say(.event("1"), 1)
        bench.say(.event("1"), 3)
        #expect(bench.quiet.isEmpty)
        bench.commit()
        #expect(bench.quiet == [1])
        // The others were cancelled, or are another worker's.
        var outcome = HostedOutcome()
        outcome.own = []
        bench.core.committed(HostedTurn(), outcome, now: bench.now)
        bench.perform()
        #expect(bench.quiet == [1, 2])
    }

    @Test("a sleep is over at its instant, and that of a run that has ended is not")
    func sleep() {
        var bench = Bench()
        bench.claim(1...2)
        bench.bringUp()
        for waitID in Int64(1)...2 { bench.say(.sleep(number: 1, until: bench.now + .seconds(5)), waitID) }
        bench.pass(4)
        #expect(bench.woken.isEmpty)
        bench.say(.failed(.threw, message: "no"), 2)
        bench.pass(1)
        #expect(bench.woken == [1])
    }

    @Test(
        "the trigger that ends its process is found among sixty-four in a few deaths; the others go on, together again")
    func parting() {
        var bench = Bench()
        bench.claim(1...64)
        bench.bringUp()
        var deaths = 0
        while bench.fired.isEmpty, deaths < 40 {
            if let guilty = bench.runs[40], bench.core.hosted[40]?.run != nil {
                deaths += 1
                bench.die(guilty.group)
                bench.bringUp()
            } else {
                bench.pass(1)
                bench.bringUp()
            }
            bench.commit()
        }
        guard case .broken(let message)? = bench.fired[40] else { return #expect(Bool(false), "\(bench.fired)") }
        #expect(message.contains("stopped after 3 times: its process died of signal 6"))
        #expect(deaths <= 7 && bench.fired.count == 1)
        for _ in 0..<3 {
            bench.pass(11)
            bench.bringUp()
        }
        #expect(bench.core.hosted.count == 63)
        #expect(bench.core.groups.count == 1 && bench.core.groups.values.allSatisfy { $0.members.count == 63 })
    }

    @Test("of many that hold their threads four at a time run alone, and the others stand in line")
    func line() {
        var bench = Bench()
        bench.claim(1...20)
        bench.bringUp()
        for waitID in Int64(1)...20 {
            bench.say(.held(.seconds(1)), waitID)
            bench.bringUp()
        }
        bench.pass(2)
        bench.bringUp()
        #expect(bench.core.groups.values.count(where: \.isSuspect) == 4)
        #expect(bench.core.line.count == 16)
        for _ in 0..<10 {
            bench.pass(11)
            bench.bringUp()
        }
        // Nothing happened for a while: they are together again.
        #expect(bench.core.line.isEmpty && bench.core.groups.count == 1)
        #expect(bench.core.hosted.values.allSatisfy { $0.run != nil })
    }

    @Test("the others of a process that is replaced begin anew at once")
    func held() {
        var bench = Bench()
        bench.claim(1...5)
        bench.bringUp()
        let before = bench.runs
        bench.say(.held(.seconds(1)), 3)
        #expect(bench.killed == [before[1]?.group])
        bench.bringUp()
        for waitID in [1, 2, 4, 5] as [Int64] {
            #expect(bench.runs[waitID]?.group != before[waitID]?.group)
            #expect(bench.runs[waitID]?.run != before[waitID]?.run)
        }
        #expect(bench.runs[3]?.run == before[3]?.run)
        // The death of the replaced process is nobody's fault.
        bench.die(before[1]?.group ?? 0)
        #expect(bench.core.hosted[1]?.offences == 0)
        bench.pass(1)
        bench.bringUp()
        #expect(bench.runs[3]?.group != bench.runs[1]?.group)
    }

    @Test("a bundle of the first version is given no triggers: they wait, and are asked for again")
    func version() {
        var bench = Bench()
        bench.claim(1...2)
        bench.bringUp(version: 1)
        #expect(bench.runs.isEmpty && bench.retired.count == 1)
        #expect(bench.core.takeTurn().notes.allSatisfy { $0.words.contains("version 1 of the protocol") })
        bench.pass(1)
        bench.bringUp()
        #expect(bench.runs.count == 2)
    }

    @Test("what has gone from the metastore ends, and a process without triggers goes after a while")
    func gone() {
        var bench = Bench()
        bench.claim(1...2)
        bench.bringUp()
        var outcome = HostedOutcome()
        outcome.own = [2]
        bench.core.committed(HostedTurn(), outcome, now: bench.now)
        bench.perform()
        #expect(bench.ended.map(\.waitID) == [1])
        bench.say(.event("1"), 2)
        bench.commit()
        #expect(bench.core.hosted.isEmpty && bench.retired.isEmpty)
        bench.pass(61)
        #expect(bench.retired.count == 1 && bench.core.groups.isEmpty && bench.core.nextInstant == nil)
    }
}
