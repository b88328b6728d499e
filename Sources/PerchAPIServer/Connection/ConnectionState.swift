// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Where a connection stands, and until when it may stand there. Knows nothing of sockets; instants are microseconds of a
/// clock that only goes forward.
struct ConnectionState {
    enum Phase {
        /// Nothing of a request is there, or not all of its head.
        case idle
        /// Its head is there, and not all of its body.
        case reading
        /// It is whole, and the answer is not.
        case answering
        /// The last answer has been sent; what still comes is dropped.
        case lingering
    }

    /// What to do about an expired deadline.
    enum Expiry {
        case wait
        /// Tell the sender that he was too slow.
        case refuse
        case close
    }

    private(set) var phase = Phase.idle
    private(set) var deadline: Int64
    /// Whether the connection ends with the answer that comes next.
    private(set) var closesNext = false
    /// Whether the answer goes on for as long as the connection lives.
    private(set) var isStreaming = false
    private let limits: APILimits

    init(limits: APILimits, now: Int64) {
        self.limits = limits
        deadline = now + limits.headTime.microseconds
    }

    /// A head has come.
    mutating func begin(closes: Bool, now: Int64) {
        phase = .reading
        if closes { closesNext = true }
        deadline = now + limits.bodyTime.microseconds
    }

    /// The request is whole.
    mutating func end(now: Int64) {
        phase = .answering
        deadline = now + limits.answerTime.microseconds
    }

    /// Its answer has no end.
    mutating func stream(now: Int64) {
        isStreaming = true
        closesNext = true
        streamed(now: now)
    }

    /// Some of that answer was taken.
    mutating func streamed(now: Int64) { deadline = now + limits.answerTime.microseconds }

    /// Its answer has been written. Whether another request may come.
    mutating func answered(now: Int64) -> Bool {
        guard !closesNext else {
            linger(now: now)
            return false
        }
        phase = .idle
        deadline = now + limits.headTime.microseconds
        return true
    }

    /// The last answer has been written, whatever was still to come.
    mutating func linger(now: Int64) {
        phase = .lingering
        deadline = now + limits.lingerTime.microseconds
    }

    /// The server stops, or the sender sends no more: false where nothing is under way.
    mutating func finish(now: Int64, within span: TimeSpan?) -> Bool {
        closesNext = true
        if let span { deadline = min(deadline, now + span.microseconds) }
        return phase != .idle
    }

    func expiry(now: Int64) -> Expiry {
        guard now >= deadline else { return .wait }
        return phase == .reading ? .refuse : .close
    }
}
