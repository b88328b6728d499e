// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchReactor
import PerchSDK
import Synchronization
import Testing

@testable import PerchBundle
@testable import PerchExecutor

/// A bundle that describes nothing, and notes what it is told of the clock.
private final class Listener: BundleLauncher {
    let name = "default"
    let mark = "PERCH_BUNDLE_MARK="
    private let version: Int
    private let heard: AsyncStream<Int64>.Continuation
    /// What it was told, in order.
    let offsets: AsyncStream<Int64>

    init(version: Int) {
        self.version = version
        (offsets, heard) = AsyncStream.makeStream(of: Int64.self)
    }

    /// Nothing more will be told.
    func end() { heard.finish() }

    func launch(loop: any EventLoop, callbacks: BundleCallbacks) throws -> any BundleLink {
        Link(loop, callbacks, heard, version: version)
    }

    private final class Link: BundleLink {
        let pid: Int32? = nil
        let lastErrors: [String] = []
        var wasHeard = true
        private let loop: any EventLoop
        private let callbacks: BundleCallbacks
        private let heard: AsyncStream<Int64>.Continuation
        private let version: Int

        init(
            _ loop: any EventLoop, _ callbacks: BundleCallbacks, _ heard: AsyncStream<Int64>.Continuation,
            version: Int
        ) {
            (self.loop, self.callbacks, self.heard, self.version) = (loop, callbacks, heard, version)
        }

        func send(_ message: EngineMessage) throws(BundleProtocolError) {
            switch message {
            case .hello: answer(.hello(protocolVersion: version, bundleVersion: "v", pid: 1))
            case .describe: answer(.described(BundleDescription(bundleVersion: "v", dags: [], problems: [])))
            case .clock(let offset): heard.yield(offset)
            default: break
            }
        }

        func flush() {}

        func terminate() { later { $0.ended("was ended") } }

        private func answer(_ message: BundleMessage) { later { $0.messages([message]) } }

        private func later(_ tell: @escaping (BundleCallbacks) -> Void) {
            let callbacks = callbacks
            _ = loop.schedule(at: loop.now) { tell(callbacks) }
        }
    }
}

/// A number that several hold.
private final class SharedNumber: Sendable {
    private let number: Mutex<Int64>

    init(_ number: Int64) { self.number = Mutex(number) }

    var value: Int64 {
        get { number.withLock { $0 } }
        set { number.withLock { $0 = newValue } }
    }
}

@Suite("Bundles are told when the engine's clock is moved", .timeLimit(.minutes(1)))
struct ToldClockTests {
    /// An engine whose clock is where the test says.
    private func engine(_ bundle: Listener, _ offset: SharedNumber) async throws -> Engine {
        let engine = try await Engine(
            launcher: { _ in bundle },
            { configuration in configuration.clockOffset = { offset.value } })
        try await engine.executor.start()
        return engine
    }

    @Test("one is told at first, and again after a move of more than some milliseconds")
    func moves() async throws {
        let bundle = Listener(version: BundleProtocol.version)
        let offset = SharedNumber(1_000_000)
        let engine = try await engine(bundle, offset)
        var offsets = bundle.offsets.makeAsyncIterator()
        engine.store.doorbells.ring(.timetables)
        #expect(await offsets.next() == 1_000_000)
        for value in [1_001_000, 1_010_000, 1_008_000, 500_000] as [Int64] {
            offset.value = value
            engine.store.doorbells.ring(.timetables)
            // What was rung before is done when this is.
            _ = await engine.executor.held
        }
        #expect(await offsets.next() == 1_010_000)
        #expect(await offsets.next() == 500_000)
        try await engine.stop()
    }

    @Test("one of a version before is told nothing")
    func older() async throws {
        let bundle = Listener(version: BundleProtocol.clockVersion - 1)
        let engine = try await engine(bundle, SharedNumber(1_000_000))
        engine.store.doorbells.ring(.timetables)
        _ = await engine.executor.held
        try await engine.stop()
        bundle.end()
        var offsets = bundle.offsets.makeAsyncIterator()
        #expect(await offsets.next() == nil)
    }
}
