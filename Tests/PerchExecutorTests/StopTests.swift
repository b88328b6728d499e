// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import PerchMetastore
import PerchReactor
import PerchSDK
import Synchronization
import Testing

@testable import PerchBundle
@testable import PerchExecutor

/// Starts bundles that are no processes, the first of which can be made to die; no other one starts.
private final class Launches: BundleLauncher {
    let name = "default"
    let mark = "PERCH_BUNDLE_MARK="
    private let counted = Mutex(0)
    private let refused: AsyncStream<Void>.Continuation
    /// Says each time that one was not started.
    let refusals: AsyncStream<Void>
    private let first = Mutex<Link?>(nil)

    init() { (refusals, refused) = AsyncStream.makeStream(of: Void.self) }

    /// How often one was to be started.
    var count: Int { counted.withLock { $0 } }

    /// Has the first one die; on the executor's thread.
    func killFirst() { first.withLock { $0 }?.end() }

    func launch(loop: any EventLoop, callbacks: BundleCallbacks) throws -> any BundleLink {
        let number = counted.withLock { count in
            count += 1
            return count
        }
        guard number == 1 else {
            refused.yield()
            throw PerchError(.unavailable, "there is none today")
        }
        let link = Link(loop, callbacks)
        first.withLock { $0 = link }
        return link
    }

    // Touched on the loop's thread alone.
    private final class Link: BundleLink, @unchecked Sendable {
        let pid: Int32? = nil
        let lastErrors: [String] = []
        var wasHeard = true
        private let loop: any EventLoop
        private let callbacks: BundleCallbacks
        private var hasEnded = false

        init(_ loop: any EventLoop, _ callbacks: BundleCallbacks) { (self.loop, self.callbacks) = (loop, callbacks) }

        func send(_ message: EngineMessage) throws(BundleProtocolError) {
            switch message {
            case .hello: answer(.hello(protocolVersion: BundleProtocol.version, bundleVersion: "v", pid: 1))
            case .describe: answer(.described(BundleDescription(bundleVersion: "v", dags: [], problems: [])))
            default: break
            }
        }

        func flush() {}
        func terminate() { _ = loop.schedule(at: loop.now) { self.end() } }

        func end() {
            guard !hasEnded else { return }
            hasEnded = true
            callbacks.ended("was ended")
        }

        private func answer(_ message: BundleMessage) {
            _ = loop.schedule(at: loop.now) { [callbacks] in callbacks.messages([message]) }
        }
    }
}

@Suite("An executor that is stopped", .timeLimit(.minutes(1)))
struct StopTests {
    @Test("while it pauses before the next start of a bundle it starts none any more") func inPause() async throws {
        let launches = Launches()
        let engine = try await Engine(launcher: { _ in launches })
        try await engine.executor.start()
        var refusals = launches.refusals.makeAsyncIterator()
        engine.executor.reactor.submit { launches.killFirst() }
        await refusals.next()
        let before = launches.count
        await engine.executor.stop()
        #expect(before == 2 && launches.count == 2)
        try await engine.stop()
    }

    @Test("while a bundle that it has started is being recorded it ends that one, and forgets it") func inRecord()
        async throws
    {
        let engine = try await Engine()
        try await engine.executor.start()
        let first = try #require(await engine.executor.bundleProcesses.first)
        // The writer is busy: what is to be recorded waits.
        let (begun, hasBegun) = AsyncStream.makeStream(of: Void.self)
        let release = DispatchSemaphore(value: 0)
        let store = engine.store
        let busy = Task {
            try await store.write { _ in
                hasBegun.yield()
                release.wait()
            }
        }
        var iterator = begun.makeAsyncIterator()
        await iterator.next()
        #expect(kill(first, SIGKILL) == 0)
        var next: Int32?
        while next == nil {
            await Task.yield()
            next = await engine.executor.bundleProcesses.first { $0 != first }
        }
        let stopping = Task { await engine.executor.stop() }
        let pid = try #require(next)
        // It is ended although nobody has recorded it.
        while kill(pid, 0) == 0 { await Task.yield() }
        release.signal()
        try await busy.value
        await stopping.value
        #expect(try await engine.store.read { try $0.processes(role: nil) }.isEmpty)
        try await engine.stop()
    }
}
