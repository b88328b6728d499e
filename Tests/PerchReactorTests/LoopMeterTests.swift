// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing

@testable import PerchReactor

@Suite(.timeLimit(.minutes(1)))
struct LoopMeterTests {
    private final class Notes: LoopMeter {
        let turns = Mutex<[(took: Int64, commands: Int)]>([])
        let late = Mutex<[Int64]>([])

        func turned(took microseconds: Int64, commands: Int) {
            turns.withLock { $0.append((microseconds, commands)) }
        }

        func servedTimers(late microseconds: Int64) { late.withLock { $0.append(microseconds) } }
    }

    @Test("A timer that the loop comes to late is seen late; one that is asked for in the past is not")
    func lateness() async throws {
        let clock = Mutex<Int64>(1_000_000_000)
        let notes = Notes()
        let reactor = try ThreadReactor(name: "test", now: { clock.withLock { $0 } }, seed: 7, meter: notes)
        reactor.start()
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            reactor.submit {
                // An hour ago, and in a second; the clock jumps by three.
                _ = reactor.loop.schedule(at: reactor.loop.now - 3_600_000_000) {
                    _ = reactor.loop.schedule(at: reactor.loop.now + 1_000_000) { continuation.resume() }
                    clock.withLock { $0 += 3_000_000 }
                }
            }
        }
        reactor.stop()
        #expect(notes.late.withLock { $0 } == [0, 2_000_000])
        #expect(notes.turns.withLock { $0.reduce(0) { $0 + $1.commands } } == 1)
        #expect(notes.turns.withLock { $0.allSatisfy { $0.took >= 0 } })
    }
}
