// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// When the metastore is looked at for news: soon after a doorbell, else once in a while, one look at a time, and never while
/// nobody listens. Knows no clock; instants are microseconds of one that only goes forward.
struct NewsPace {
    enum Step: Equatable {
        case look
        /// Ask again then.
        case wait(until: Int64)
        /// Ask again when something has happened.
        case rest
    }

    /// Between two looks, however often it rings.
    private let spacing: TimeSpan
    /// Between two looks where nothing rings: other machines may be without a doorbell.
    private let period: TimeSpan
    private var isRung = false
    private var isLooking = false
    private var lastLook: Int64?
    private(set) var listeners = 0

    init(spacing: TimeSpan = TimeSpan(microseconds: 100_000), period: TimeSpan = .seconds(1)) {
        self.spacing = spacing
        self.period = period
    }

    /// Something has happened. Whether anybody wants to know.
    mutating func ring() -> Bool {
        isRung = true
        return listeners > 0
    }

    /// Somebody listens: he is to know at once what has happened while nobody did.
    mutating func join() {
        if listeners == 0 { isRung = true }
        listeners += 1
    }

    mutating func leave() { listeners -= 1 }

    mutating func looked(at now: Int64) {
        isLooking = false
        lastLook = now
    }

    /// What is to be done; a look that this asks for has begun.
    mutating func next(at now: Int64) -> Step {
        guard listeners > 0, !isLooking else { return .rest }
        let due = lastLook.map { $0 + (isRung ? spacing : period).microseconds } ?? now
        guard now >= due else { return .wait(until: due) }
        isLooking = true
        isRung = false
        return .look
    }
}
