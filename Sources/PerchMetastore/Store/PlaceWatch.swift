// SPDX-License-Identifier: Apache-2.0

package import PerchSDK
internal import Synchronization

/// What becomes of a process's place at the server of its metastore: of the session by which others know that it works there.
package enum PlaceNews: Sendable {
    /// The session is gone, and why. It is tried to have it again; what the process does goes on meanwhile, as long as nobody
    /// else has the metastore alone.
    case lost(String)
    /// It has one again.
    case regained
    /// Somebody else has had the metastore alone. From now on every write is refused with this error.
    case fenced(PerchError)
}

/// Tells a process what becomes of its place. Of a metastore in a file nothing is ever told.
package final class PlaceWatch: Sendable {
    private struct State {
        var hearers: [@Sendable (PlaceNews) -> Void] = []
        /// What was told last, as long as it holds.
        var standing: PlaceNews?
    }

    private let state = Mutex(State())

    package init() {}

    /// Calls back with all news from now on, and with what holds already, in their order. On any thread: it must only pass them on.
    package func hear(_ callback: @escaping @Sendable (PlaceNews) -> Void) {
        state.withLock { state in
            state.hearers.append(callback)
            if let standing = state.standing { callback(standing) }
        }
    }

    /// Tells everybody. After `fenced` there is no news any more.
    package func tell(_ news: PlaceNews) {
        state.withLock { state in
            if case .fenced = state.standing { return }
            if case .regained = news { state.standing = nil } else { state.standing = news }
            for hearer in state.hearers { hearer(news) }
        }
    }
}
