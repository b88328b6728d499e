// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchScheduler

@Suite("A transaction does less where that takes long", .timeLimit(.minutes(1)))
struct WritePaceTests {
    private func milliseconds(_ count: Int64) -> TimeSpan { TimeSpan(microseconds: count * 1_000) }

    @Test("What is quick does as much as it may, for ever")
    func quick() {
        var pace = WritePace(most: 5_000)
        for took in [0, 1, 99, 150, 200] as [Int64] {
            pace.note(milliseconds(took))
            #expect(pace.rows == 5_000)
        }
    }

    @Test("What takes seconds takes a tenth of one after a transaction, and never stops")
    func slow() {
        var pace = WritePace(most: 5_000)
        pace.note(milliseconds(1_000))
        #expect(pace.rows == 500)
        // As fast as that: it stays.
        pace.note(milliseconds(100))
        #expect(pace.rows == 500)
        for _ in 0..<10 { pace.note(milliseconds(100_000)) }
        #expect(pace.rows == 250)
        var least = WritePace(most: 1)
        least.note(milliseconds(100_000))
        #expect(least.rows == 1)
    }

    @Test("It does more again where it has become quick, a clock that was set back included")
    func again() {
        var pace = WritePace(most: 5_000)
        pace.note(milliseconds(100_000))
        var steps: [Int] = []
        for _ in 0..<6 {
            pace.note(milliseconds(-3))
            steps.append(pace.rows)
        }
        #expect(steps == [500, 1_000, 2_000, 4_000, 5_000, 5_000])
    }
}
