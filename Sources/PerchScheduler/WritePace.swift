// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// How much one transaction does. Whoever else wants to write waits for it, so it does little until it is known how long that takes,
/// and less where that takes long: on a machine that is busy, or far from its server.
struct WritePace {
    /// How many row changes the next one makes.
    private(set) var rows: Int
    private let most: Int

    /// The least is a twentieth of the most.
    private static let range = 20
    private static let goal: Int64 = 100_000

    init(most: Int) {
        self.most = most
        rows = Self.least(of: most)
    }

    private static func least(of most: Int) -> Int { max(most / range, 1) }

    /// Takes in how long one took.
    ///
    /// - Parameter isFull: Whether it did as much as it might: of one that had little to do nothing is learnt but that even this
    ///   takes long.
    mutating func note(_ took: TimeSpan, isFull: Bool) {
        let took = max(1, took.microseconds)
        if took > 2 * Self.goal {
            rows = max(Self.least(of: most), Int(Int64(rows) * Self.goal / took))
        } else if isFull, took < Self.goal {
            rows = min(most, rows * 2)
        }
    }
}
