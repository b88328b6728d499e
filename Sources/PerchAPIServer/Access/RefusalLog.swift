// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Logging
import PerchSDK
import Synchronization

/// Says in the log that senders were turned away, once in ten seconds however many there are.
final class RefusalLog: Sendable {
    private struct State: Sendable {
        var nextAt = Timestamp(microseconds: .min)
        var unsaid = 0
    }

    private let state = Mutex(State())
    private let clock: any PerchClock
    private let log: Logger

    init(clock: any PerchClock, log: Logger) {
        self.clock = clock
        self.log = log
    }

    func noteFault(_ error: any Error) {
        log.error("somebody could not log in or out", metadata: ["error": "\(error)"])
    }

    func note(_ refusal: Refusal, from sender: String) {
        guard refusal.status == .unauthorized || refusal.status == .forbidden else {
            log.debug("a request was refused", metadata: ["status": "\(refusal.status.code)", "sender": "\(sender)"])
            return
        }
        let now = clock.now
        let unsaid: Int? = state.withLock { state in
            guard now >= state.nextAt else {
                state.unsaid += 1
                return nil
            }
            defer { state = State(nextAt: now + .seconds(10), unsaid: 0) }
            return state.unsaid
        }
        guard let unsaid else { return }
        var metadata: Logger.Metadata = ["status": "\(refusal.status.code)", "sender": "\(sender)"]
        if unsaid > 0 { metadata["others_before"] = "\(unsaid)" }
        log.warning("a sender was turned away", metadata: metadata)
    }
}
