// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Logging
import PerchMetastore
import PerchSDK
import Synchronization

/// Stores events, and knows whether the metastore keeps up.
final class EventIntake: Sendable {
    private struct UnderWay: Sendable {
        var count = 0
        /// Since when none has been finished.
        var since: Timestamp?
    }

    private let metastore: Metastore
    private let log: Logger
    private let patience: TimeSpan
    private let underWay = Mutex(UnderWay())

    init(metastore: Metastore, log: Logger, patience: TimeSpan) {
        self.metastore = metastore
        self.log = log
        self.patience = patience
    }

    /// Whether commits have been under way for so long that nothing more should join them.
    var isBehind: Bool {
        let now = metastore.clock.now
        return underWay.withLock { $0.since.map { now - $0 > patience } ?? false }
    }

    /// Takes events in, all or none; returns when they are durable.
    /// - Throws: `Refusal`: 503 where the metastore refuses.
    func take(_ events: [NewEvent]) async throws(Refusal) -> [AcceptedEvent] {
        let now = metastore.clock.now
        underWay.withLock { state in
            state.count += 1
            if state.since == nil { state.since = now }
        }
        let result: Result<[AcceptedEvent], any Error>
        do {
            result = .success(try await metastore.write { try $0.emit(events) })
        } catch {
            result = .failure(error)
        }
        let end = metastore.clock.now
        underWay.withLock { state in
            state.count -= 1
            state.since = state.count == 0 ? nil : end
        }
        switch result {
        case .success(let accepted): return accepted
        case .failure(let error):
            if let error = error as? PerchError, error.code == .invalid {
                throw Refusal(.badRequest, "invalid_event", error.message)
            }
            log.error("events could not be stored", metadata: ["events": "\(events.count)", "error": "\(error)"])
            throw .unavailable("the metastore refused, as the engine's log says; nothing was taken", after: 5)
        }
    }
}
