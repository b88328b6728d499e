// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchMetastore
package import PerchSDK
internal import Synchronization

/// The clock of a metastore's server, as this process follows it: the time since this machine was started, and what has to
/// be added to that.
///
/// It is measured over round trips. The server reads its clock somewhere between question and answer, so half of the way is
/// the most by which a measurement errs. The surest one stays, and grows less sure as two clocks drift apart. The wall clock of this
/// machine has no part in it: it may be wrong, and it may be set.
package final class ServerClock: PerchClock {
    /// What one round trip has told, in microseconds.
    struct Reading: Hashable {
        /// What the server's clock has shown, since the epoch.
        var server: Int64
        /// This machine's uptime before the question, and after the answer.
        var asked: Int64
        var answered: Int64
    }

    private struct Estimate {
        /// The server's instant less this machine's uptime.
        var offset: Int64
        /// By how much that errs at most, when it was measured.
        var error: Int64
        var measuredAt: Int64

        init(_ reading: Reading) {
            let way = max(0, reading.answered - reading.asked)
            offset = reading.server - reading.asked - way / 2
            error = way / 2 + 1
            measuredAt = reading.answered
        }

        /// What its error has grown to: two clocks drift apart by less than 500 microseconds a second. Where one
        /// is being led back to the right time faster than that, it is followed as one that was set.
        func error(at uptime: Int64) -> Int64 { error + max(0, uptime - measuredAt) / 2_000 }
    }

    private struct State {
        var estimate: Estimate
        /// What was told already: the clock does not run back behind it.
        var told: Int64
    }

    private let uptime: @Sendable () -> Int64
    private let state: Mutex<State>

    /// A server's clock that was set back by more than this is followed back; else this one stands still meanwhile.
    private static let longestStand: Int64 = 1_000_000

    /// - Parameter uptime: Microseconds since this machine was started, a suspend included; no setting of a clock moves it.
    init(_ reading: Reading, uptime: @escaping @Sendable () -> Int64 = ServerClock.uptime) {
        self.uptime = uptime
        state = Mutex(State(estimate: Estimate(reading), told: .min))
    }

    package var now: Timestamp {
        state.withLock { Timestamp(microseconds: max($0.told, uptime() + $0.estimate.offset)) }
    }

    /// What has to be added to this machine's uptime at this moment.
    package var offset: Int64 { state.withLock { $0.estimate.offset } }

    /// Takes in another measurement.
    ///
    /// - Parameter isNewServer: Whether it may come from another server than those before.
    /// - Returns: Whether the clock was moved, for the server's was set: whoever waits for an instant has to look again.
    func take(_ reading: Reading, isNewServer: Bool = false) -> Bool {
        state.withLock { state in
            let new = Estimate(reading)
            let keptError = state.estimate.error(at: reading.answered)
            let distance = new.offset - state.estimate.offset
            let isMoved = abs(distance) > new.error + keptError
            guard isMoved || isNewServer || new.error <= keptError else { return false }
            let present = uptime()
            let told = max(state.told, present + state.estimate.offset)
            state.estimate = new
            state.told = told - (present + new.offset) > Self.longestStand ? .min : told
            return isMoved
        }
    }

    static let uptime: @Sendable () -> Int64 = {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }
}

extension ServerClock {
    /// The clock of the server behind a connection. The first answer takes the longest, so it is asked more than once.
    convenience init(_ connection: PostgresConnection) throws {
        self.init(try connection.readClock())
        _ = take(try connection.readClock())
    }
}

extension PostgresConnection {
    /// Asks the server for its time, and notes when.
    func readClock(uptime: () -> Int64 = ServerClock.uptime) throws -> ServerClock.Reading {
        let asked = uptime()
        var server: Int64?
        try query(text: "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)", []) {
            server = $0.int64(0)
        }
        guard let server else { throw PerchError(.metastore, "\(link.address.name) does not tell its time") }
        return ServerClock.Reading(server: server, asked: asked, answered: uptime())
    }
}
