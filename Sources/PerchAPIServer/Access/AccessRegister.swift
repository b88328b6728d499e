// SPDX-License-Identifier: Apache-2.0

import Logging
import PerchMetastore
import PerchSDK
import Synchronization

/// Knows who may, as the metastore has it: asks it only when somebody wants to know, and no more often than every two seconds,
/// whatever is asked. What was revoked lets in for no longer than that.
final class AccessRegister: Sendable {
    private struct State: Sendable {
        var book: AccessBook?
        var checkedAt: Timestamp?
        var loadedAt: Timestamp?
        var loading: Task<Void, any Error>?
        /// When use was recorded last, by token or session.
        var touched: [String: Timestamp] = [:]
    }

    /// How long it is taken for true that nothing has changed.
    static let freshness = TimeSpan.seconds(2)
    /// After so long all is read anew, also where nobody has changed anything: signs of life are no changes.
    static let age = TimeSpan.seconds(60)
    /// Use is recorded no more often than this.
    private static let touchPeriod = TimeSpan.seconds(60)

    let metastore: Metastore
    private let log: Logger
    private let state = Mutex(State())

    init(metastore: Metastore, log: Logger) {
        self.metastore = metastore
        self.log = log
    }

    /// Who may, as it was read last; nil before that.
    var book: AccessBook? { state.withLock { $0.book } }

    /// Whether what is known is fresh enough to decide by it.
    var isFresh: Bool {
        let now = metastore.clock.now
        return state.withLock { Self.isFresh($0, now) }
    }

    private static func isFresh(_ state: State, _ now: Timestamp) -> Bool {
        // A clock that was set back makes nothing younger.
        guard state.book != nil, let at = state.checkedAt else { return false }
        return at <= now && now - at < freshness
    }

    /// What is known has to be read anew before the next decision.
    func forget() { state.withLock { $0.checkedAt = nil } }

    /// Looks whether something has changed, unless that was done just now; however many ask, once.
    /// - Parameter evenIfFresh: For somebody who is not known: another server may have let him in since.
    /// - Throws: `Refusal` (503) where the metastore does not answer.
    func refresh(evenIfFresh: Bool = false) async throws(Refusal) {
        // A look that is under way may have begun before he was let in.
        if evenIfFresh, let begun = state.withLock({ $0.loading }) { _ = await begun.result }
        let now = metastore.clock.now
        let loading: Task<Void, any Error>? = state.withLock { state in
            if !evenIfFresh, Self.isFresh(state, now) { return nil }
            if let loading = state.loading { return loading }
            let known = state.loadedAt.map { $0 <= now && now - $0 < Self.age } == true ? state.book?.version : nil
            let task = Task { try await self.load(known) }
            state.loading = task
            return task
        }
        guard let loading else { return }
        do {
            try await loading.value
        } catch {
            log.error("who may is not known", metadata: ["error": "\(error)"])
            throw .unavailable("the metastore refused, as the engine's log says", after: 5)
        }
    }

    private func load(_ known: Int64?) async throws {
        let now = metastore.clock.now
        let found: Result<AccessBook?, any Error>
        do {
            found = .success(
                try await metastore.read { snapshot in
                    if let known, try snapshot.accessVersion() == known { return nil }
                    return try snapshot.accessBook(idle: SessionTerms.idle)
                })
        } catch {
            found = .failure(error)
        }
        try state.withLock { state in
            state.loading = nil
            if let book = try found.get() {
                state.book = book
                state.loadedAt = now
                state.touched = state.touched.filter { $0.value <= now && now - $0.value < Self.touchPeriod }
            }
            state.checkedAt = now
        }
    }

    /// Records that a token or a session was used, at most once a minute. What fails is not worth a refusal.
    func note(_ use: Use) async {
        let now = metastore.clock.now
        let isDue = state.withLock { state in
            let last = state.touched[use.key] ?? use.last
            guard last.map({ $0 > now || now - $0 >= Self.touchPeriod }) ?? true else { return false }
            state.touched[use.key] = now
            return true
        }
        guard isDue else { return }
        do {
            try await metastore.write { transaction in
                switch use {
                case .token(let token): try transaction.touchToken(token.tokenID)
                case .session(let session): try transaction.touchSession(session.digest)
                }
            }
        } catch {
            log.warning("the use of a token was not recorded", metadata: ["error": "\(error)"])
        }
    }

    /// What was used.
    enum Use: Sendable {
        case token(AccessTokenRow)
        case session(AccessSessionRow)

        fileprivate var key: String {
            switch self {
            case .token(let token): token.digest
            case .session(let session): session.digest
            }
        }

        fileprivate var last: Timestamp? {
            switch self {
            case .token(let token): token.lastUsedAt
            case .session(let session): session.seenAt
            }
        }
    }
}

/// How long somebody stays logged in.
enum SessionTerms {
    /// Without a sign.
    static let idle = TimeSpan.seconds(12 * 3_600)
    /// Whatever he does.
    static let longest = TimeSpan.seconds(7 * 86_400)
    /// The cookie.
    static let cookie = "perch_session"
}
