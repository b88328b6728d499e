// SPDX-License-Identifier: Apache-2.0

/// How many waits a source is given at a time, learnt from how long it took for those before: a clock takes ten thousand
/// in the time in which another kind takes a hundred.
struct ArmingPace {
    /// So long a source may hold the thread, in microseconds.
    private static let slice: Int64 = 5_000
    private static let most = 10_000
    /// Of a source that is not known yet.
    private static let first = 200
    /// A group that went fast by chance must not make the next one long.
    private static let growth = 4

    /// In place of a source's number: all that look through the inbox, which take their waits together.
    static let inbox = -1

    private var sizes: [Int: Int] = [:]

    func size(of source: Int) -> Int { sizes[source] ?? Self.first }

    /// A source took `count` waits in `span` microseconds.
    mutating func took(_ span: Int64, for count: Int, source: Int) {
        let size = size(of: source)
        // A few waits tell of the call, not of the waits; unless they took long.
        guard count >= size / 2 || span > Self.slice else { return }
        let fitting = Int(Self.slice) * count / Int(max(span, 1))
        sizes[source] = max(1, min(fitting, size * Self.growth, Self.most))
    }
}
