// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Foundation
internal import Glibc
internal import PerchMetastore
internal import PerchSDK
internal import Synchronization

/// The session that a process keeps for as long as it works on a metastore: the server frees its locks when it is gone,
/// and it hears and rings the doorbells of all machines.
///
/// Unchecked, because `connection` is used by `init` and then by the session's thread alone.
final class PostgresSession: @unchecked Sendable {
    private let settings: PostgresSettings
    private let purpose: String
    private let place: PostgresPlace
    private let isEngine: Bool
    private var connection: PostgresConnection?
    private let wake: Int32
    private let rung = Mutex<(bells: DoorbellSet, isOver: Bool)>(([], false))
    private let finished = DispatchSemaphore(value: 0)
    private var isStarted = false

    /// So often the session is tried where nothing happens, in milliseconds.
    private static let pulse: Int32 = 30_000

    private static let everything: DoorbellSet = [
        .runs, .queue, .cancels, .waits, .events, .finished, .owners, .hosted, .timetables,
    ]

    /// Takes the locks, and begins to hear.
    ///
    /// - Throws: `conflict` where another engine works on the metastore, with its name; or where it is being migrated.
    init(_ settings: PostgresSettings, purpose: String, place: PostgresPlace, isEngine: Bool) throws {
        self.settings = settings
        self.purpose = purpose
        self.place = place
        self.isEngine = isEngine
        wake = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        guard wake >= 0 else { throw PerchError(.unavailable, "eventfd: \(String(cString: strerror(errno)))") }
        connection = try connect(isAgain: false)
    }

    deinit { Glibc.close(wake) }

    /// Hears from now on. `lost` is told when another engine holds what this one held.
    func start(heard: @escaping @Sendable (DoorbellSet) -> Void, ousted: @escaping @Sendable (PerchError) -> Void) {
        isStarted = true
        let thread = Thread { [self] in
            work(heard, ousted)
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

    /// Whether nobody else works on the metastore; then nobody can until this session ends or `share` is called.
    func holdAlone() throws -> Bool {
        guard let connection else { return false }
        return try Self.isTrue(connection, "SELECT pg_try_advisory_lock(\(place.key(.members)))")
    }

    func share() throws {
        guard let connection else { return }
        _ = try Self.isTrue(connection, "SELECT pg_advisory_unlock(\(place.key(.members)))")
    }

    // MARK: Connecting

    private func connect(isAgain: Bool) throws -> PostgresConnection {
        let link = try PostgresLink(settings.direct, purpose: purpose)
        let connection = PostgresConnection(link: link, lock: place.key(.writer), prepares: false)
        let found = try PostgresPlace(connection, settings.direct)
        guard found.channel == place.channel else {
            throw PerchError(
                .invalid,
                "metastore.listen_url leads to the schema '\(found.schema.shown())', metastore.url to "
                    + "'\(place.schema.shown())': both have to name the same database")
        }
        if isEngine {
            try takeEngineLock(connection, isAgain: isAgain)
        } else if try !Self.isTrue(connection, "SELECT pg_try_advisory_lock_shared(\(place.key(.members)))") {
            throw PerchError(
                .conflict, "the metastore in \(settings.direct.name) is being migrated: try again in a moment")
        }
        try link.execute("LISTEN \(place.channel.quoted)")
        return connection
    }

    private func takeEngineLock(_ connection: PostgresConnection, isAgain: Bool) throws {
        if try Self.isTrue(connection, "SELECT pg_try_advisory_lock(\(place.key(.engine)))") { return }
        let parts = place.key(.engine).split(separator: ", ")
        var holder: String?
        try connection.query(
            text: """
                SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
                WHERE l.locktype = 'advisory' AND l.granted AND l.classid = CAST(CAST(\(parts[0]) AS BIGINT) AS OID)
                    AND l.objid = CAST(CAST(\(parts[1]) AS BIGINT) & 4294967295 AS OID) LIMIT 1
                """, []
        ) { holder = $0.text(0) }
        // The server may be slow to miss the session that broke.
        if isAgain, holder == purpose {
            throw PerchError(.unavailable, "\(settings.direct.name) still keeps the session that broke")
        }
        throw PerchError(
            .conflict,
            "the metastore in \(settings.direct.name) is in use by \(holder.map { "'\($0.shown())'" } ?? "another engine"): "
                + "stop that first, or name another database")
    }

    private static func isTrue(_ connection: PostgresConnection, _ text: String) throws -> Bool {
        var answer = false
        try connection.query(text: text, []) { answer = $0.bool(0) }
        return answer
    }

    // MARK: The thread

    private func work(
        _ heard: @escaping @Sendable (DoorbellSet) -> Void, _ ousted: @escaping @Sendable (PerchError) -> Void
    ) {
        var pause: Int32 = 100
        while true {
            if connection == nil {
                if sleep(pause) { return }
                pause = min(pause * 2, 5_000)
                do {
                    connection = try connect(isAgain: true)
                    pause = 100
                    // Whatever was rung meanwhile was not heard.
                    heard(Self.everything)
                } catch let error as PerchError where error.code == .conflict && isEngine {
                    return ousted(error)
                } catch {
                    continue
                }
            }
            do {
                if try !turn(heard) { return }
            } catch {
                connection = nil
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
        let count = poll(&waited, 2, Self.pulse)
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
        } else if count == 0 {
            // So that a connection is missed that broke without a word.
            _ = try Self.isTrue(connection, "SELECT true")
        }
        let own = connection.link.serverProcess
        var others: DoorbellSet = []
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
