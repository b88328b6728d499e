// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchScheduler

@Suite("A transaction does less where that takes long", .timeLimit(.minutes(1)))
struct WritePaceTests {
    private func milliseconds(_ count: Int64) -> TimeSpan { TimeSpan(microseconds: count * 1_000) }

    /// One that has found out that it may do as much as there is.
    private func quickPace() -> WritePace {
        var pace = WritePace(most: 5_000)
        for _ in 0..<5 { pace.note(milliseconds(1), isFull: true) }
        return pace
    }

    @Test("It begins with little, and does more as long as that is quick; what had little to do says nothing of that")
    func start() {
        var pace = WritePace(most: 5_000)
        var steps = [pace.rows]
        for took in [0, 1, -3, 99, 99, 150, 200] as [Int64] {
            for _ in 0..<3 { pace.note(milliseconds(took), isFull: false) }
            pace.note(milliseconds(took), isFull: true)
            steps.append(pace.rows)
        }
        #expect(steps == [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000])
    }

    @Test("What takes seconds takes a tenth of one after a transaction, and never stops", arguments: [true, false])
    func slow(isFull: Bool) {
        var pace = quickPace()
        pace.note(milliseconds(1_000), isFull: isFull)
        #expect(pace.rows == 500)
        // As fast as that: it stays.
        pace.note(milliseconds(100), isFull: isFull)
        #expect(pace.rows == 500)
        for _ in 0..<10 { pace.note(milliseconds(100_000), isFull: isFull) }
        #expect(pace.rows == 250)
        var least = WritePace(most: 1)
        least.note(milliseconds(100_000), isFull: isFull)
        #expect(least.rows == 1)
    }
}
