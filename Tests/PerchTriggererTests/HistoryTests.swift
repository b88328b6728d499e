// SPDX-License-Identifier: Apache-2.0

import Testing

@Suite("Histories of a triggerer's state", .timeLimit(.minutes(2)))
struct HistoryTests {
    @Test(
        "Every wait fires once and in the end, by the earliest event in time, whatever fails, is late or is taken away",
        arguments: 0..<8)
    func seeds(_ block: Int) {
        var checkpoints = 0
        var foresights = 0
        for seed in 0..<40 {
            var history = History(seed: UInt64(block * 1_000 + seed))
            history.run(steps: 150)
            history.settle()
            let problems = history.judge()
            #expect(problems.isEmpty, "seed \(block * 1_000 + seed): \(problems.prefix(3))")
            checkpoints += history.checkpoints
            foresights += history.foresights
        }
        #expect(checkpoints > 10)
        #expect(foresights > 0)
    }
}
