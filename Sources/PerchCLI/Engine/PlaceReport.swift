// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchMetastore
internal import PerchSDK
internal import Synchronization

/// Says in a role's log what becomes of its place at the metastore's server, and when it has none any more.
final class PlaceReport: Sendable {
    private let log: Logger
    private let place: PlaceWatch

    /// Begins to tell the log.
    init(of metastore: Metastore, log: EngineLog) {
        self.log = log.logger("metastore")
        place = metastore.place
        place.hear { [log = self.log] news in
            switch news {
            case .lost(let why):
                log.warning(
                    "the session that holds this process's place at the metastore's server is lost; it is tried to have one again",
                    metadata: ["error": "\(why)"])
            case .regained: log.notice("this process has a session at the metastore's server again")
            case .fenced(let reason):
                log.error("this process may write to the metastore no more: it ends", metadata: ["error": "\(reason)"])
            }
        }
    }

    /// Calls back, once, where another process has taken the metastore.
    func whenFenced(_ action: @escaping @Sendable (PerchError) -> Void) {
        place.hear { if case .fenced(let reason) = $0 { action(reason) } }
    }
}
