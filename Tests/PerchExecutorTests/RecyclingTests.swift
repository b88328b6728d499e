// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchBundle
import PerchMetastore
import PerchSDK
import Testing

@testable import PerchExecutor

@Suite("Replacing a bundle process that works", .timeLimit(.minutes(2)))
struct RecyclingTests {
    private func engine(_ change: (inout BundleRecycling) -> Void) async throws -> Engine {
        var recycling = BundleRecycling()
        change(&recycling)
        return try await Engine(secrets: ExecutorSecrets()) { $0.recycling = recycling }
    }

    /// Runs short tasks until the process that there is at first is gone.
    private func runUntilReplaced(_ engine: Engine) async throws -> Int {
        let first = try #require(await engine.executor.bundleProcesses.first)
        for number in 1...1_000 {
            try await engine.begin("quick", runID: "r\(number)")
            #expect(try await engine.waitForEnd(of: "quick", runID: "r\(number)") == .success)
            if await !engine.executor.bundleProcesses.contains(first) { return number }
        }
        Issue.record("it is not replaced")
        return 0
    }

    @Test("it is replaced after so many dispatches, and every task succeeds") func attempts() async throws {
        let engine = try await engine { $0.maxAttempts = 3 }
        try await engine.executor.start()
        #expect(try await runUntilReplaced(engine) >= 3)
        #expect(await !engine.executor.bundleProcesses.isEmpty)
        try await engine.stop()
    }

    @Test("it is replaced when it has run for so long") func age() async throws {
        let engine = try await engine { $0.maxAge = TimeSpan(microseconds: 50_000) }
        try await engine.executor.start()
        _ = try await runUntilReplaced(engine)
        try await engine.stop()
    }

    @Test("it is replaced when it has so much memory, and not before") func memory() async throws {
        let own = try #require(SystemProcesses().residentMemory(of: getpid()))
        #expect(own > 1 << 20 && own < 1 << 40)
        #expect(SystemProcesses().residentMemory(of: -1) == nil)
        let small = try await engine { $0.maxMemory = 1 << 20 }
        try await small.executor.start()
        _ = try await runUntilReplaced(small)
        try await small.stop()
        let large = try await engine { $0.maxMemory = 1 << 40 }
        try await large.executor.start()
        let first = await large.executor.bundleProcesses
        for number in 1...5 {
            try await large.begin("quick", runID: "r\(number)")
            #expect(try await large.waitForEnd(of: "quick", runID: "r\(number)") == .success)
        }
        #expect(await large.executor.bundleProcesses == first)
        try await large.stop()
    }

    @Test("it is replaced when the processors have worked for it for so long, and not before") func processorTime()
        async throws
    {
        let own = try #require(SystemProcesses().processorTime(of: getpid()))
        #expect(own > TimeSpan(microseconds: 0) && own < .seconds(100 * 3_600))
        for pid in [0, -1] as [Int32] { #expect(SystemProcesses().processorTime(of: pid) == nil) }
        let short = try await engine { $0.maxCPUTime = TimeSpan(microseconds: 1) }
        try await short.executor.start()
        _ = try await runUntilReplaced(short)
        try await short.stop()
        let long = try await engine { $0.maxCPUTime = .seconds(100 * 3_600) }
        try await long.executor.start()
        let first = await long.executor.bundleProcesses
        for number in 1...5 {
            try await long.begin("quick", runID: "r\(number)")
            #expect(try await long.waitForEnd(of: "quick", runID: "r\(number)") == .success)
        }
        #expect(await long.executor.bundleProcesses == first)
        try await long.stop()
    }

    @Test("what runs in the old process goes on in it, is cancelled in it, and then it goes") func slow() async throws {
        let engine = try await engine { $0.maxAttempts = 2 }
        try await engine.executor.start()
        let first = try #require(await engine.executor.bundleProcesses.first)
        try await engine.begin("slow")
        try await engine.waitForNotes { $0.contains("began") }
        for number in 1...6 {
            try await engine.begin("quick", runID: "r\(number)")
            #expect(try await engine.waitForEnd(of: "quick", runID: "r\(number)") == .success)
        }
        // The first one has only the slow task left, and lives for it.
        var processes = await engine.executor.bundleProcesses
        #expect(processes.contains(first) && processes.count > 1)
        _ = try await engine.store.write {
            try $0.cancelTask(
                TaskInstanceKey(dagID: "slow", runID: "r1", taskID: "slow"),
                intent: CancelIntent(finalState: .skipped, reason: "user", by: "test"))
        }
        #expect(try await engine.end(of: "slow").state == .skipped)
        #expect(engine.notes.contains("cleaned"))
        while processes.contains(first) {
            await Task.yield()
            processes = await engine.executor.bundleProcesses
        }
        try await engine.stop()
    }

    @Test("a crash in the old process fails its task with the signal") func crash() async throws {
        let engine = try await engine { $0.maxAttempts = 2 }
        try await engine.executor.start()
        let first = try #require(await engine.executor.bundleProcesses.first)
        try await engine.begin("slow")
        try await engine.waitForNotes { $0.contains("began") }
        for number in 1...4 {
            try await engine.begin("quick", runID: "r\(number)")
            #expect(try await engine.waitForEnd(of: "quick", runID: "r\(number)") == .success)
        }
        #expect(kill(first, SIGKILL) == 0)
        let end = try await engine.end(of: "slow")
        #expect(end.state == .failed && end.message?.contains("its bundle process died of signal 9") == true)
        try await engine.stop()
    }

    @Test("with too many old processes that do not end, the main one is kept") func bounded() async throws {
        let engine = try await engine { $0.maxAttempts = 1 }
        try await engine.executor.start()
        for number in 1...12 {
            try await engine.begin("slow", runID: "r\(number)")
            try await engine.waitForNotes { $0.count { $0 == "began" } == number }
        }
        #expect(await engine.executor.bundleProcesses.count <= 6)
        try await engine.begin("quick")
        #expect(try await engine.waitForEnd(of: "quick") == .success)
        try await engine.stop()
    }
}
