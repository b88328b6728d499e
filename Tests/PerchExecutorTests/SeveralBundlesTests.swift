// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import PerchMetastore
import PerchReactor
import PerchSDK
import Testing

@testable import PerchExecutor

@Suite("Workers of several bundles in one process", .timeLimit(.minutes(1)))
struct SeveralBundlesTests {
    /// A worker of another bundle beside that of an engine.
    private func other(
        _ engine: Engine, executable: String = fixture, waits: Bool = true
    ) throws -> Executor {
        var configuration = Executor.Configuration()
        configuration.drainTimeout = TimeSpan(microseconds: 200_000)
        configuration.waitsForBundle = waits
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let clock = WallClock()
        return Executor(
            metastore: engine.store,
            reactor: try ThreadReactor(name: "perch-executor", now: { clock.now.microseconds }),
            processes: SystemProcesses(),
            launcher: ProcessLauncher(home: engine.home, executable: executable, arguments: [], name: "other"),
            logs: engine.logs, configuration: configuration, logger: logger)
    }

    @Test("one that starts, and stops, leaves the other one and its processes alone") func beside() async throws {
        let engine = try await Engine()
        try await engine.executor.start()
        let first = await engine.executor.bundleProcesses
        let workers = try await engine.store.read { try $0.workers() }
        let other = try other(engine)
        // It has the same DAGs, none of which are its own.
        try await other.start()
        let both = try await engine.store.read { try $0.workers() }
        #expect(both.map(\.terms.bundle) == ["default", "other"])
        #expect(both.first?.process == workers.first?.process)
        #expect(await engine.executor.bundleProcesses == first)
        let errors = try await engine.store.read { try $0.importErrors() }
        #expect(
            !errors.isEmpty && errors.allSatisfy { $0.bundle == "other" && $0.problem.message.contains("'default'") })
        try await engine.begin("quick")
        #expect(try await engine.waitForEnd(of: "quick") == .success)
        await other.stop()
        #expect(try await engine.store.read { try $0.workers() }.map(\.terms.bundle) == ["default"])
        #expect(await engine.executor.bundleProcesses == first)
        try await engine.begin("quick", runID: "r2")
        #expect(try await engine.waitForEnd(of: "quick", runID: "r2") == .success)
        try await engine.stop()
    }

    @Test("one whose bundle does not come up has started all the same, says why, and stops at once") func ill()
        async throws
    {
        let engine = try await Engine()
        try await engine.executor.start()
        let rung = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        engine.store.doorbells.subscribe(.owners) { _ in rung.continuation.yield() }
        let other = try other(engine, executable: "/bin/false", waits: false)
        #expect(try await other.start().isEmpty)
        var trouble: BundleTrouble?
        for await _ in rung.stream {
            trouble = try await engine.store.read { try $0.workers() }.last?.trouble
            if let trouble, trouble.count >= 2 { break }
        }
        #expect(
            trouble?.words.contains("it does not come up: it exited with") == true, "\(String(describing: trouble))")
        try await engine.begin("quick")
        #expect(try await engine.waitForEnd(of: "quick") == .success)
        await other.stop()
        try await engine.stop()
    }
}
