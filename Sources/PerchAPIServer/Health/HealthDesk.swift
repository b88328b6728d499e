// SPDX-License-Identifier: Apache-2.0

import NIOCore
package import PerchSDK
import Synchronization

/// Knows how the role of this process stands: asks it when somebody wants to know, at most once a second however many ask,
/// and waits for its answer no longer than a bound.
package final class HealthDesk: Sendable {
    /// How a role stands.
    package struct Standing: Sendable {
        /// What keeps a role from its work. Those who ask are told no more than this; its log has the rest.
        package enum Fault: Sendable { case metastore, lease }

        /// Until when what it holds is its own; nil where it holds nothing by a lease.
        package var leaseUntil: Timestamp?
        /// Whether it takes part by now.
        package var hasJoined = true
        /// Whether it was told to hand over what it has.
        package var isDraining = false
        /// Nil where nothing keeps it from its work.
        package var fault: Fault?
        /// The bundles whose tasks it runs, where there are several, or one is in trouble, and whether each has come up.
        package var bundles: [(name: String, isUp: Bool)] = []

        package init() {}
    }

    /// Asks the role; an answer that never comes is one too.
    package typealias Look = @Sendable (_ answer: @escaping @Sendable (Standing) -> Void) -> Void

    /// A role that is there: how it is asked, and what it counts and measures.
    private struct Role: Sendable {
        var look: Look
        var metrics: @Sendable () async -> String
    }

    private struct State: Sendable {
        var role: Role?
        var last: (standing: Standing, at: Int64)?
        /// Since when the role has been asked without an answer.
        var askedAt: Int64?
        /// Who waits for the answer.
        var waiting: [(number: Int, answer: @Sendable (Standing?) -> Void)] = []
        var count = 0
    }

    /// What the process is, for every answer.
    let facts: [String: JSONValue]
    let patience: TimeSpan
    private let state = Mutex(State())
    /// How long an answer is good for.
    private static let freshness: Int64 = 1_000_000

    /// - Parameters:
    ///   - facts: What the process is: told with every answer, to whoever asks.
    ///   - patience: How long the role has to answer before it counts as one that hangs.
    package init(facts: [String: JSONValue] = [:], patience: TimeSpan = .seconds(5)) {
        self.facts = facts
        self.patience = patience
    }

    /// The role is opened, and can be asked from now on.
    package func attach(metrics: @escaping @Sendable () async -> String, look: @escaping Look) {
        state.withLock { $0.role = Role(look: look, metrics: metrics) }
    }

    /// What the role counts and measures, in the text format of Prometheus; nil before it is opened.
    func metrics() async -> String? { await state.withLock { $0.role }?.metrics() }

    /// Whether the role is opened.
    var isAttached: Bool { state.withLock { $0.role != nil } }

    /// How the role stands; nil where it does not answer. Before it is opened, nothing is wrong with it.
    ///
    /// - Parameter loop: Minds the bound.
    func standing(on loop: any EventLoop) async -> Standing? {
        await withCheckedContinuation { continuation in
            ask(on: loop) { continuation.resume(returning: $0) }
        }
    }

    private enum Step {
        case answer(Standing?)
        case wait(number: Int, left: Int64, look: Look?)
    }

    private func ask(on loop: any EventLoop, _ answer: @escaping @Sendable (Standing?) -> Void) {
        let now = Self.uptime
        let step: Step = state.withLock { state in
            guard let role = state.role else { return .answer(Standing()) }
            if let last = state.last, now - last.at < Self.freshness { return .answer(last.standing) }
            let left = patience.microseconds - (state.askedAt.map { now - $0 } ?? 0)
            guard left > 0 else { return .answer(nil) }
            state.count += 1
            state.waiting.append((state.count, answer))
            let isFirst = state.askedAt == nil
            if isFirst { state.askedAt = now }
            return .wait(number: state.count, left: left, look: isFirst ? role.look : nil)
        }
        switch step {
        case .answer(let standing): answer(standing)
        case .wait(let number, let left, let look):
            loop.scheduleTask(in: .microseconds(left)) { self.giveUp(number) }
            look? { self.answered($0) }
        }
    }

    private func answered(_ standing: Standing) {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            state.last = (standing, Self.uptime)
            state.askedAt = nil
            return state.waiting.map(\.answer)
        }
        for answer in waiting { answer(standing) }
    }

    private func giveUp(_ number: Int) {
        let answer = state.withLock { state in
            state.waiting.firstIndex { $0.number == number }.map { state.waiting.remove(at: $0).answer }
        }
        answer?(nil)
    }

    private static var uptime: Int64 { Int64(NIODeadline.now().uptimeNanoseconds / 1_000) }
}
