// SPDX-License-Identifier: Apache-2.0

/// Numbers that come and go, with the least of them at hand.
package struct LeastCounter {
    private var counts: [Int64: Int] = [:]
    /// Nil where it has to be looked for again: once after a thousand removals, not a thousand times.
    private var known: Int64?

    package init() {}

    /// The least number; 0 where there is none.
    package var least: Int64 {
        mutating get {
            if let known { return known }
            let found = counts.keys.min() ?? 0
            known = found
            return found
        }
    }

    package mutating func insert(_ number: Int64) {
        if counts.isEmpty { known = number } else if let known, number < known { self.known = number }
        counts[number, default: 0] += 1
    }

    package mutating func remove(_ number: Int64) {
        guard let count = counts[number] else { return }
        counts[number] = count == 1 ? nil : count - 1
        if count == 1, number == known { known = nil }
    }
}
