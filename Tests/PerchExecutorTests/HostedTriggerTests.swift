// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK
import Testing

@testable import PerchExecutor

@Suite("Triggers in bundle processes", .timeLimit(.minutes(2)))
struct HostedTriggerTests {
    private static let quick: @Sendable (inout Executor.Configuration) -> Void = { configuration in
        configuration.triggerBudget = TimeSpan(microseconds: 200_000)
        configuration.triggerPause = TimeSpan(microseconds: 20_000)
    }

    /// How a note's counter went on: it never begins again.
    private static func counts(_ notes: [String], of name: String) -> [Int] {
        notes.filter { $0.hasPrefix("\(name) ") && !$0.contains("begins") }.compactMap {
            Int($0.split(separator: " ")[1])
        }
    }

    @Test("a sensor's trigger runs in a process of its own, and its event is the sensor's output")
    func runs() async throws {
        let engine = try await Engine(Self.quick)
        try await engine.executor.start()
        try await engine.begin("tick")
        let end = try await engine.end(of: "tick")
        #expect(end.state == .success && end.output == "40")
        #expect(Self.counts(engine.notes, of: "ticker") == Array(1...40))
        #expect(await engine.executor.bundleProcesses.count == 2)
        let worker = await engine.executor.worker
        #expect(engine.ends.begun == [worker])
        try await engine.stop()
    }

    @Test("ten good triggers beside one that spins and one that blocks succeed; those two are stopped, with the reason")
    func hogs() async throws {
        let engine = try await Engine(Self.quick)
        try await engine.executor.start()
        try await engine.begin("hogs")
        let rows = try await engine.instances(of: "hogs") { $0.allSatisfy(\.state.isFinished) }
        for row in rows {
            let isGood = row.key.taskID.hasPrefix("good")
            #expect(row.state == (isGood ? .success : .failed), "\(row.key.taskID)")
            if isGood {
                // A checkpoint that was stored is not made again.
                let counts = Self.counts(engine.notes, of: row.key.taskID)
                #expect(counts == counts.sorted() && counts.last == 30 && counts.count <= 36, "\(counts)")
            } else {
                #expect(row.message?.contains("the trigger 'Hog' is stopped after 3 times: it held its thread") == true)
            }
        }
        let key = TaskInstanceKey(dagID: "hogs", runID: "r1", taskID: "spins")
        await engine.logs.flush()
        let log = try engine.logs.text(of: key, tryNumber: 1) ?? ""
        #expect(log.contains("held its thread for") && log.contains("it runs again in"), "\(log)")
        // Told before the end was stored, so that what is left to do about the log is done.
        #expect(engine.ends.isOver("spins").first == true)
        try await engine.stop()
    }

    @Test("of forty-one triggers in a process that dies the one at fault is found, and the others go on")
    func bombs() async throws {
        let engine = try await Engine(Self.quick)
        try await engine.executor.start()
        try await engine.begin("bombs")
        let rows = try await engine.instances(of: "bombs") { $0.allSatisfy(\.state.isFinished) }
        for row in rows { #expect(row.state == (row.key.taskID == "bomb" ? .failed : .success), "\(row.key.taskID)") }
        let bomb = try #require(rows.first { $0.key.taskID == "bomb" })
        #expect(bomb.message?.contains("its process died of signal 6") == true, "\(bomb.message ?? "")")
        #expect(engine.notes.filter { $0.hasPrefix("bomb") }.count <= 8)
        try await engine.stop()
    }

    @Test("a thousand triggers run in one process")
    func thousand() async throws {
        let engine = try await Engine(Self.quick)
        try await engine.executor.start()
        try await engine.begin("thousand")
        let state = try await engine.waitForEnd(of: "thousand")
        #expect(state == .success)
        let begins = engine.notes.filter { $0.contains("begins") }
        #expect(begins.count == 1_000)
        #expect(Set(begins.compactMap { $0.split(separator: " ").last }).count == 1)
        try await engine.stop()
    }

    @Test("when its process is killed a trigger goes on in another one from its checkpoint")
    func killedBundle() async throws {
        let engine = try await Engine(Self.quick)
        try await engine.executor.start()
        try await engine.begin("tick")
        try await engine.waitForNotes { $0.contains("ticker 5") }
        let pid = try #require(engine.notes.first.flatMap { Int32($0.split(separator: " ").last ?? "") })
        kill(pid, SIGKILL)
        let end = try await engine.end(of: "tick")
        #expect(end.state == .success && end.output == "40")
        let begins = engine.notes.filter { $0.contains("begins at") }
        #expect(begins.count == 2 && !begins[1].contains("begins at 0 "), "\(begins)")
        let counts = Self.counts(engine.notes, of: "ticker")
        #expect(counts == counts.sorted() && counts.count <= 41, "\(counts)")
        try await engine.stop()
    }

    @Test("another engine hosts what the one before it hosted, and a stopped one gives it back at once")
    func nextEngine() async throws {
        let engine = try await Engine(Self.quick)
        try await engine.executor.start()
        try await engine.begin("tick")
        try await engine.waitForNotes { $0.contains("ticker 3") }
        await engine.executor.stop()
        let free = try await engine.store.read { try $0.hostedWaits(of: 0) }
        #expect(free.count == 1)
        try engine.store.close()
        let next = try await Engine(home: engine.home, Self.quick)
        try await next.executor.start()
        let end = try await next.end(of: "tick")
        #expect(end.state == .success)
        #expect(!next.notes.filter { $0.contains("begins at") }[1].contains("begins at 0 "))
        try await next.stop()
    }

    @Test("a bundle without the type is explained and asked again; a deployment brings it back")
    func missing() async throws {
        let engine = try await Engine(Self.quick)
        try await engine.executor.start()
        try await engine.begin("tick")
        try await engine.waitForNotes { $0.contains("ticker 3") }
        await engine.executor.stop()
        try engine.store.close()
        let older = try await Engine(
            launcher: { home in
                ProcessLauncher(home: home, executable: fixture, arguments: ["without-triggers"])
            }, home: engine.home, Self.quick)
        try await older.executor.start()
        let waitID = try #require(try await older.store.read { try $0.waits(WaitFilter()) }.first?.waitID)
        var sentences: [String] = []
        for _ in 0..<1_000_000 where !sentences.contains(where: { $0.contains("has no trigger 'Ticker'") }) {
            sentences = try await older.store.read { snapshot in
                try snapshot.wait(waitID).map { try snapshot.hostedSentences($0) } ?? []
            }
            await Task.yield()
        }
        #expect(sentences.contains { $0.contains("the bundle has no trigger 'Ticker' (it has none)") }, "\(sentences)")
        #expect(sentences.contains { $0.contains("hosts it") })
        await older.executor.stop()
        try older.store.close()
        let newer = try await Engine(home: engine.home, Self.quick)
        try await newer.executor.start()
        #expect(try await newer.end(of: "tick").state == .success)
        try await newer.stop()
    }
}
