// SPDX-License-Identifier: Apache-2.0

internal import PerchReactor
internal import PerchSDK

/// What makes two waits share a probe.
package struct SocketTarget: Hashable, Sendable {
    package var address: SocketAddress
    /// Whether hands are shaken by TLS, to see the certificate.
    package var isTLS: Bool
}

/// What ends a wait.
enum SocketCondition: Hashable {
    case state(SocketTrigger.State)
    case certificate(CertificateTrigger.Condition)

    func isMet(by finding: SocketFinding, at now: Timestamp) -> Bool {
        switch self {
        case .state(let state): return finding.state == state
        case .certificate(.validFor(let span)):
            guard let found = finding.certificate else { return false }
            return found.notBefore <= now && found.notAfter >= now + span
        case .certificate(.endsWithin(let span)):
            guard let found = finding.certificate else { return false }
            return found.notAfter <= now + span
        }
    }
}

/// One address that is tried again and again, and the waits that look at what comes of it.
final class SocketProbe: ScheduledProbe {
    enum Activity {
        case idle
        /// Due, and waiting for its turn.
        case queued
        case asking
    }

    let key: SocketTarget
    /// The kind of its waits.
    let kind: String

    /// The waits of each condition.
    private(set) var conditions: [SocketCondition: Set<Int64>] = [:]
    private var periods = LeastCounter()
    private(set) var count = 0

    var activity = Activity.idle
    var attempt: (any SocketAttempt)?

    var dueAt: Int64 = 0
    var ticket: Int64?
    var failures = 0
    var probes: Int64 = 0
    var lastAt: Int64?
    var lastResult = ""
    /// When the probe that is under way was begun.
    var startedAt: Int64 = 0
    var lastClass = ""
    var reportedAt: Int64 = 0
    /// Who waits for what comes of the next probe.
    var asked: [() -> Void] = []

    init(key: SocketTarget, kind: String) {
        self.key = key
        self.kind = kind
    }

    /// The shortest that any of its waits wants.
    var period: Int64 { periods.least }

    func insert(_ waitID: Int64, _ condition: SocketCondition, every: Int64) {
        conditions[condition, default: []].insert(waitID)
        periods.insert(every)
        count += 1
    }

    func remove(_ waitID: Int64, _ condition: SocketCondition, every: Int64) {
        conditions[condition]?.remove(waitID)
        if conditions[condition]?.isEmpty == true { conditions[condition] = nil }
        periods.remove(every)
        count -= 1
    }
}
