// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Foundation
internal import Glibc
internal import PerchMetastore
internal import PerchSDK
internal import Synchronization

/// The session that a process keeps for as long as it works on a metastore: the server frees its locks when it is gone. It
/// hears and rings the doorbells of all machines, and measures the server's clock.
///
/// Unchecked, because `connection` is used by `init` and then by the session's thread alone.
final class PostgresSession: @unchecked Sendable {
    private let settings: PostgresSettings
    private let purpose: String
    private let place: PostgresPlace
    /// Nil where time is told otherwise.
    private let clock: ServerClock?
    private var connection: PostgresConnection?
    private var hold = Hold.nothing
    private let wake: Int32
    private let rung = Mutex<(bells: DoorbellSet, isOver: Bool)>(([], false))
    private let finished = DispatchSemaphore(value: 0)
    private var isStarted = false
    private var nextPulse = ContinuousClock.now

    /// What the session holds of the metastore.
    private enum Hold {
        case nothing
        /// It works on it, as others may.
        case shared
        /// Nobody else works on it, nor can.
        case alone
    }

    /// So often the server's clock is measured, and the connection tried.
    private static let pulse = Duration.seconds(5)

    private static let everything: DoorbellSet = [
        .runs, .queue, .cancels, .waits, .events, .finished, .owners, .hosted, .timetables,
        .bundleQueues,
    ]

    /// Connects, and holds nothing yet.
    init(_ settings: PostgresSettings, purpose: String, place: PostgresPlace, clock: ServerClock?) throws {
        self.settings = settings
        self.purpose = purpose
        self.place = place
        self.clock = clock
        wake = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        guard wake >= 0 else { throw PerchError(.unavailable, "eventfd: \(String(cString: strerror(errno)))") }
        connection = try connect()
    }

    deinit { Glibc.close(wake) }

    /// Hears from now on. `told` is what becomes of the session; it is over where this process is fenced.
    func start(heard: @escaping @Sendable (DoorbellSet) -> Void, told: @escaping @Sendable (PlaceNews) -> Void) {
        isStarted = true
        let thread = Thread { [self] in
            work(heard, told)
            finished.signal()
        }
        thread.name = "perch-postgres"
        thread.stackSize = 512 << 10
        thread.start()
    }

    /// Rings at the other processes, soon. What cannot be rung costs them a slow poll.
    func ring(_ bells: DoorbellSet) {
        guard !bells.isEmpty else { return }
        let isFirst = rung.withLock { rung in
            defer { rung.bells.formUnion(bells) }
            return rung.bells.isEmpty
        }
        if isFirst { eventfd_write(wake, 1) }
    }

    /// Gives the locks up.
    func close() {
        rung.withLock { $0.isOver = true }
        eventfd_write(wake, 1)
        if isStarted { finished.wait() }
        // At once, and not when the server has missed the connection. Where it does not hear, it does miss it.
        if let connection { _ = try? Self.isTrue(connection, "SELECT pg_advisory_unlock_all()") }  // because of that
        connection = nil
    }

    // MARK: Holding

    /// Works on the metastore from now on, as others may. False while somebody has it alone.
    func share() throws -> Bool {
        if hold == .shared { return true }
        guard let connection,
            try Self.isTrue(connection, "SELECT pg_try_advisory_lock_shared(\(place.key(.members)))")
        else { return false }
        if hold == .alone { try free(connection, .alone) }
        hold = .shared
        return true
    }

    /// Has the metastore alone, and nobody else can work on it, until this session ends, or shares or leaves it. False where
    /// others work on it.
    func holdAlone() throws -> Bool {
        guard let connection else { return false }
        try leave()
        guard try Self.isTrue(connection, "SELECT pg_try_advisory_lock(\(place.key(.members)))") else { return false }
        guard try Self.isTrue(connection, "SELECT pg_try_advisory_lock(\(place.key(.engine)))") else {
            _ = try Self.isTrue(connection, "SELECT pg_advisory_unlock(\(place.key(.members)))")
            return false
        }
        hold = .alone
        return true
    }

    /// Holds nothing any more.
    func leave() throws {
        guard let connection else { return }
        try free(connection, hold)
        hold = .nothing
    }

    /// Who works on the metastore beside this session, as the server's administrator sees it.
    func others() throws -> [String] {
        guard let connection else { return [] }
        return try place.holders(of: [.engine, .members], connection)
    }

    private func free(_ connection: PostgresConnection, _ hold: Hold) throws {
        switch hold {
        case .nothing: break
        case .shared: _ = try Self.isTrue(connection, "SELECT pg_advisory_unlock_shared(\(place.key(.members)))")
        case .alone:
            for lock in [PostgresPlace.Lock.members, .engine] {
                _ = try Self.isTrue(connection, "SELECT pg_advisory_unlock(\(place.key(lock)))")
            }
        }
    }

    // MARK: Connecting

    private func connect() throws -> PostgresConnection {
        let link = try PostgresLink(settings.direct, purpose: purpose, isSession: true)
        let connection = PostgresConnection(link: link, lock: place.key(.writer), prepares: false)
        let found = try PostgresPlace(connection, settings.direct)
        guard found.channel == place.channel else {
            throw PerchError(
                .invalid,
                "metastore.listen_url leads to the schema '\(found.schema.shown())', metastore.url to "
                    + "'\(place.schema.shown())': both have to name the same database")
        }
        try link.execute("LISTEN \(place.channel.quoted)")
        return connection
    }

    /// Connects once more, and holds again what was held.
    ///
    /// - Throws: `conflict` where somebody else has the metastore alone, or has migrated it; anything else may pass.
    private func reconnect() throws {
        let connection = try connect()
        let held = hold
        hold = .nothing
        self.connection = connection
        do {
            switch held {
            case .nothing: break
            case .shared:
                let isShared = try share()
                let fence = PostgresFence(place, name: settings.direct.name)
                if let reason = try fence.reason(connection) { throw reason }
                guard isShared else { throw fence.hadAlone(by: []) }
            case .alone:
                guard try holdAlone() else {
                    // The server may be slow to miss the session that broke.
                    let others = try others().filter { $0 != purpose }
                    throw PerchError(
                        others.isEmpty ? .unavailable : .conflict,
                        "the session that had the metastore in \(settings.direct.name) alone was lost, and others work on it: "
                            + others.map { "'\($0)'" }.joined(separator: ", "))
                }
            }
            _ = clock?.take(try connection.readClock(), isNewServer: true)
        } catch {
            hold = held
            self.connection = nil
            throw error
        }
    }

    private static func isTrue(_ connection: PostgresConnection, _ text: String) throws -> Bool {
        var answer = false
        try connection.query(text: text, []) { answer = $0.bool(0) }
        return answer
    }

    // MARK: The thread

    private func work(
        _ heard: @escaping @Sendable (DoorbellSet) -> Void, _ told: @escaping @Sendable (PlaceNews) -> Void
    ) {
        var pause: Int32 = 100
        while true {
            if connection == nil {
                if sleep(pause) { return }
                pause = min(pause * 2, 5_000)
                do {
                    try reconnect()
                    pause = 100
                    told(.regained)
                    // Whatever was rung meanwhile was not heard.
                    heard(Self.everything)
                } catch let error as PerchError where error.code == .conflict {
                    return told(.fenced(error))
                } catch {
                    // It is tried again, and that it is gone was told.
                    continue
                }
            }
            do {
                if try !turn(heard) { return }
            } catch {
                connection = nil
                told(.lost("\(error)"))
            }
        }
    }

    /// Waits until something is to be done, and does it. False when the session is over.
    private func turn(_ heard: (DoorbellSet) -> Void) throws -> Bool {
        guard let connection else { return true }
        var waited = [
            pollfd(fd: wake, events: Int16(POLLIN), revents: 0),
            pollfd(fd: connection.link.socket, events: Int16(POLLIN), revents: 0),
        ]
        let left = max(0, (nextPulse - .now) / .milliseconds(1))
        let count = poll(&waited, 2, Int32(left.rounded(.up)))
        if count < 0, errno != EINTR {
            throw PerchError(.unavailable, "poll: \(String(cString: strerror(errno)))")
        }
        var bells: DoorbellSet = []
        if count > 0, waited[0].revents != 0 {
            let (taken, isOver) = take()
            if isOver { return false }
            bells = taken
        }
        if !bells.isEmpty {
            _ = try Self.isTrue(connection, "SELECT pg_notify('\(place.channel)', '\(bells.rawValue)')")
        }
        var others: DoorbellSet = []
        if nextPulse <= .now {
            nextPulse = .now + Self.pulse
            // A connection is missed by it, too, that broke without a word.
            let reading = try connection.readClock()
            if clock?.take(reading) == true { others = Self.everything }
        }
        let own = connection.link.serverProcess
        for notice in try connection.link.notifications() where notice.sender != own {
            others.formUnion(DoorbellSet(rawValue: UInt16(notice.words) ?? 0))
        }
        if !others.isEmpty { heard(others) }
        return true
    }

    /// Sleeps so many milliseconds; true when the session is over.
    private func sleep(_ pause: Int32) -> Bool {
        var waited = [pollfd(fd: wake, events: Int16(POLLIN), revents: 0)]
        let deadline = ContinuousClock.now + .milliseconds(pause)
        while true {
            let left = (deadline - .now) / .milliseconds(1)
            guard left > 0 else { return false }
            if poll(&waited, 1, Int32(left) + 1) > 0, take().isOver { return true }
        }
    }

    private func take() -> (bells: DoorbellSet, isOver: Bool) {
        var count: eventfd_t = 0
        eventfd_read(wake, &count)
        return rung.withLock { rung in
            defer { rung.bells = [] }
            return rung
        }
    }
}

extension String {
    /// As the name of something in SQL.
    fileprivate var quoted: String { "\"" + replacing("\"", with: "\"\"") + "\"" }
}
