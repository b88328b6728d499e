// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Synchronization
import Testing

@testable import PerchBundle

@Suite("The engine's clock in a bundle process")
struct UptimeClockTests {
    private let uptime = Uptime()

    /// Of a machine whose time stands still until it is moved.
    private final class Uptime: Sendable {
        private let microseconds = Mutex<Int64>(1_000)

        var clock: @Sendable () -> Int64 { { self.microseconds.withLock { $0 } } }

        func pass(_ span: Int64) { microseconds.withLock { $0 += span } }
    }

    private func host(_ clock: UptimeClock) -> DispatchHost {
        struct Nowhere: BundleOutbox {
            func send(_ message: BundleMessage, mayWait: Bool) throws(BundleProtocolError) {}
        }
        return DispatchHost(
            dags: [], bundleVersion: "v", pid: 1, clock: clock, executor: ElasticExecutor(), outbox: Nowhere(),
            generator: { 4 })
    }

    @Test("it goes on from where the engine says, and stands still rather than run back by less than a second")
    func follows() {
        let clock = UptimeClock(offset: 1_000_000, uptime: uptime.clock)
        let host = host(clock)
        #expect(clock.now.microseconds == 1_001_000)
        host.handle(.clock(offset: 5_000_000))
        #expect(clock.now.microseconds == 5_001_000)
        host.handle(.clock(offset: 4_500_000))
        #expect(clock.now.microseconds == 5_001_000)
        uptime.pass(400_000)
        #expect(clock.now.microseconds == 5_001_000)
        uptime.pass(200_000)
        #expect(clock.now.microseconds == 5_101_000)
        host.handle(.clock(offset: 1_000_000))
        #expect(clock.now.microseconds == 1_601_000)
    }

    @Test("no offset ends the process", arguments: [Int64.min, .max, 0])
    func extremes(offset: Int64) {
        let clock = UptimeClock(offset: offset, uptime: uptime.clock)
        let host = host(clock)
        for next in [Int64.max, .min, 0, .min, .max] {
            host.handle(.clock(offset: next))
            _ = clock.now
        }
        host.handle(.clock(offset: 7))
        #expect(clock.now.microseconds >= 1_007)
    }
}
