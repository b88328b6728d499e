// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Synchronization
import Testing

@testable import PerchExecutor

/// A desk that keeps everybody waiting for one name until it is opened.
private final class KeepingDesk: SecretDesk {
    private struct State {
        var isOpen = false
        var waiting: [CheckedContinuation<Void, Never>] = []
        /// Who waits until so many wait here.
        var watcher: (count: Int, continuation: CheckedContinuation<Void, Never>)?
    }
    private let state = Mutex(State())

    func find(_ name: SecretName) async throws -> FoundSecret? {
        switch name.name {
        case "perch_test_slow":
            await withCheckedContinuation { continuation in
                let (isOpen, watcher) = state.withLock { state in
                    if !state.isOpen { state.waiting.append(continuation) }
                    guard let watcher = state.watcher, state.waiting.count >= watcher.count else {
                        return (state.isOpen, CheckedContinuation<Void, Never>?.none)
                    }
                    state.watcher = nil
                    return (state.isOpen, watcher.continuation)
                }
                if isOpen { continuation.resume() }
                watcher?.resume()
            }
            return .variable(Variable("hunter2", isSecret: true))
        case "perch_test_away": throw PerchError(.unavailable, "\(name): the disk is away")
        case "perch_test_large": return .variable(Variable(String(repeating: "x", count: 17 << 20)))
        default: return nil
        }
    }

    /// Returns once so many wait.
    func untilWaiting(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isMet = state.withLock { state in
                if state.waiting.count >= count { return true }
                state.watcher = (count, continuation)
                return false
            }
            if isMet { continuation.resume() }
        }
    }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}

@Suite("Look-ups of attempts", .timeLimit(.minutes(2)))
struct LookUpTests {
    private func definitions() -> [DAG] {
        [
            DAG("slow") { dag in
                for index in 0..<4 {
                    dag.task("asks-\(index)") { context in
                        let value = try await context.variable("perch_test_slow")
                        context.log.info("found \(value)")
                        throw PerchError(.invalid, "failed with \(value)")
                    }
                }
            },
            DAG("quick") { dag in
                dag.task("goes") { _ in 1 }
                for name in ["away", "large", "none"] {
                    dag.task(name) { context in
                        do {
                            _ = try await context.variable("perch_test_\(name)")
                            return "found"
                        } catch let error as PerchError {
                            return "\(error.code.rawValue): \(error.message)"
                        }
                    }
                }
            },
        ]
    }

    @Test("a place that does not answer holds up who asks it, and nobody else; what it gives is masked")
    func slow() async throws {
        let desk = KeepingDesk()
        let dags = definitions()
        let engine = try await Engine(
            launcher: { _ in InProcessBundle(dags: dags, clock: WallClock()) }, secrets: ExecutorSecrets(desk: desk))
        try await engine.executor.start()
        try await engine.begin("slow")
        await desk.untilWaiting(4)
        try await engine.begin("quick")
        #expect(try await engine.waitForEnd(of: "quick") == .success)
        let rows = try await engine.instances(of: "quick") { $0.allSatisfy(\.state.isFinished) }
        let outputs = rows.map { $0.output ?? "" }
        #expect(outputs[1].contains("unavailable: the variable 'perch_test_away': the disk is away"), "\(outputs[1])")
        #expect(outputs[2].contains("invalid: the variable 'perch_test_large': a frame of"), "\(outputs[2])")
        #expect(outputs[3].contains("not_found: there is no variable 'perch_test_none'"), "\(outputs[3])")
        #expect(try await engine.instances(of: "slow") { _ in true }.allSatisfy { $0.state == .running })
        desk.open()
        #expect(try await engine.waitForEnd(of: "slow") == .failed)
        let failed = try await engine.instances(of: "slow") { $0.allSatisfy(\.state.isFinished) }
        #expect(failed.allSatisfy { $0.message?.contains("failed with ***") == true }, "\(failed.map(\.message))")
        await engine.logs.flush()
        let text = try engine.logs.text(of: failed[0].key, tryNumber: 1) ?? ""
        #expect(text.contains("found ***") && !text.contains("hunter2"), "\(text)")
        try await engine.stop()
    }
}
