// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// How many bytes of bodies are in memory, of all connections together.
final class HeldBytes: Sendable {
    private let most: Int
    private let held = Atomic<Int>(0)

    init(most: Int) {
        self.most = most
    }

    /// Takes room for so many bytes; false where there is none.
    func take(_ count: Int) -> Bool {
        guard held.add(count, ordering: .relaxed).newValue <= most else {
            give(count)
            return false
        }
        return true
    }

    func give(_ count: Int) { held.subtract(count, ordering: .relaxed) }
}
