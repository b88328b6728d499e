// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchBundle
import PerchMetastore
import PerchSDK
import Testing

@testable import PerchExecutor

extension Executor {
    /// How many processes of the pool can be given something.
    fileprivate var poolReady: Int { core.isReady.count { $0.key.isPooled && $0.value } }
}

@Suite("Several bundle processes of a worker, and some for one attempt", .timeLimit(.minutes(2)))
struct PoolTests {
    private func pids(_ engine: Engine, _ word: String) -> [Int32] {
        engine.notes.filter { $0.hasPrefix("\(word) in ") }.compactMap { Int32($0.split(separator: " ")[2]) }
    }

    /// Waits, without looking at a clock, until something holds that nobody rings for.
    private func until(_ holds: () async -> Bool) async {
        for _ in 0..<5_000_000 {
            if await holds() { return }
            await Task.yield()
        }
        Issue.record("it does not come to that")
    }

    @Test("attempts are spread over the processes; one that dies costs what was in it, and is replaced")
    func spread() async throws {
        let engine = try await Engine(secrets: ExecutorSecrets()) { $0.processes = 3 }
        try await engine.executor.start()
        await until { await engine.executor.poolReady == 3 }
        for number in 1...6 {
            try await engine.begin("stays", runID: "r\(number)")
            try await engine.waitForNotes { _ in self.pids(engine, "stays").count == number }
        }
        let counts = Dictionary(grouping: pids(engine, "stays")) { $0 }.mapValues(\.count)
        #expect(counts.count == 3 && counts.values.allSatisfy { $0 == 2 }, "\(counts)")
        let before = await engine.executor.bundleProcesses
        #expect(kill(before[1], SIGKILL) == 0)
        await until { await !engine.executor.bundleProcesses.contains(before[1]) }
        try await engine.begin("quick")
        #expect(try await engine.end(of: "quick").state == .success)
        let after = await engine.executor.bundleProcesses
        #expect(after.contains(before[0]) && after.contains(before[2]))
        try await engine.stop()
    }

    @Test("each of them is replaced after so many dispatches, one after the other") func recycled() async throws {
        var recycling = BundleRecycling()
        recycling.maxAttempts = 2
        let engine = try await Engine(secrets: ExecutorSecrets()) {
            $0.processes = 2
            $0.recycling = recycling
        }
        try await engine.executor.start()
        await until { await engine.executor.poolReady == 2 }
        let first = await engine.executor.bundleProcesses
        for number in 1...200 {
            try await engine.begin("quick", runID: "r\(number)")
            #expect(try await engine.waitForEnd(of: "quick", runID: "r\(number)") == .success)
            if await Set(engine.executor.bundleProcesses).isDisjoint(with: first) { break }
        }
        #expect(await Set(engine.executor.bundleProcesses).isDisjoint(with: first))
        try await engine.stop()
    }

    @Test("a task that asks for it has a process of its own for each attempt, and it is gone with it") func alone()
        async throws
    {
        let engine = try await Engine()
        try await engine.executor.start()
        let shared = await engine.executor.bundleProcesses
        for number in 1...3 { try await engine.begin("alone", runID: "r\(number)") }
        try await engine.waitForNotes { _ in self.pids(engine, "alone").count == 3 }
        let own = pids(engine, "alone")
        #expect(Set(own).count == 3 && Set(own).isDisjoint(with: shared))
        try Data().write(to: URL(filePath: engine.file + "-go"))
        for number in 1...3 {
            #expect(try await engine.waitForEnd(of: "alone", runID: "r\(number)") == .success)
        }
        await until { await engine.executor.bundleProcesses == shared }
        try await engine.begin("alone-trap")
        let end = try await engine.end(of: "alone-trap")
        #expect(end.state == .failed && end.message?.contains("its bundle process died of signal") == true)
        #expect(await engine.executor.bundleProcesses.contains(shared[0]))
        try await engine.stop()
    }
}
