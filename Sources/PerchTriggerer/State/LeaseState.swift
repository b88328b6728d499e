// SPDX-License-Identifier: Apache-2.0

/// Whether the waits are this triggerer's, by its own clock.
///
/// The clock starts with the request, not with the answer: so the triggerer never believes in a lease longer than the
/// metastore does.
struct LeaseState {
    enum Phase: Hashable {
        /// Not held; to be asked for at the instant.
        case none(askAt: Int64)
        case asking(since: Int64)
        case held
        case stopped
    }

    private(set) var phase: Phase
    private(set) var owner: Int64?
    private var until: Int64 = 0
    private var renewAt: Int64 = 0
    private var renewingSince: Int64?
    private var refusals = 0
    /// Whether the shares of the triggerers may have changed: they are worked out again with the next renewal, at once.
    var isShareDue = false

    private let lease: Int64
    private let renewEvery: Int64

    init(lease: Int64, renewEvery: Int64) {
        self.lease = lease
        self.renewEvery = renewEvery
        phase = .none(askAt: .min)
    }

    var isHeld: Bool { phase == .held }
    var isRenewing: Bool { renewingSince != nil }

    /// Whether the lease has run out although it was not taken away.
    func isOver(at now: Int64) -> Bool { isHeld && now >= until }

    /// When something is to be done about the lease.
    var nextInstant: Int64? {
        switch phase {
        case .none(let askAt): askAt
        case .asking, .stopped: nil
        case .held: renewingSince == nil ? min(renewAt, until) : until
        }
    }

    /// Whether to ask for the lease now.
    mutating func mustAsk(at now: Int64) -> Bool {
        guard case .none(let askAt) = phase, askAt <= now else { return false }
        phase = .asking(since: now)
        return true
    }

    /// Whether to renew the lease now.
    mutating func mustRenew(at now: Int64) -> Bool {
        guard isHeld, renewingSince == nil, renewAt <= now || isShareDue else { return false }
        renewingSince = now
        isShareDue = false
        return true
    }

    mutating func granted(owner: Int64) {
        guard case .asking(let since) = phase else { return }
        phase = .held
        self.owner = owner
        until = since + lease
        renewAt = since + renewEvery
        renewingSince = nil
    }

    /// The lease was not granted, or was taken away: it is asked for again, after a pause that grows.
    mutating func refused(at now: Int64) {
        guard phase != .stopped else { return }
        refusals += 1
        phase = .none(askAt: now + min(10_000_000, 100_000 << Int64(min(refusals - 1, 8))))
        renewingSince = nil
    }

    /// Something was committed under the lease: it is good, and the next trouble is a new one.
    mutating func proved() { refusals = 0 }

    mutating func renewed() {
        guard isHeld, let since = renewingSince else { return }
        until = since + lease
        renewAt = since + renewEvery
        renewingSince = nil
        refusals = 0
    }

    /// The renewal could not be stored; a second later it is tried again, until the lease is over.
    mutating func renewalFailed(at now: Int64) {
        renewingSince = nil
        renewAt = now + 1_000_000
    }

    mutating func stop() { phase = .stopped }
}
