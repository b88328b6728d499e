// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// How much one transaction does. Whoever else wants to write waits for it, so it does less where that takes long: on a machine that
/// is busy, or far from its server.
struct WritePace {
    /// How many row changes the next one makes.
    private(set) var rows: Int
    private let most: Int

    /// The least is a twentieth of the most.
    private static let range = 20
    private static let goal: Int64 = 100_000

    init(most: Int) {
        self.most = most
        rows = most
    }

    /// Takes in how long one took that did as much as it might.
    mutating func note(_ took: TimeSpan) {
        let took = max(1, took.microseconds)
        if took > 2 * Self.goal {
            rows = max(most / Self.range, Int(Int64(rows) * Self.goal / took), 1)
        } else if took < Self.goal {
            rows = min(most, rows * 2)
        }
    }
}
