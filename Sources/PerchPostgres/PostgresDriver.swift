// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Glibc
internal import PerchMetastore
internal import PerchSDK
internal import Synchronization

/// The metastore's connections to a PostgreSQL server: one that writes, and a few that read.
///
/// Writers of all machines take turns by a lock that the transaction holds, as SQLite's do by its file's. A connection that
/// breaks is replaced; what was under way on it is told so as `LostTransaction`.
///
/// Unchecked, because the writer is guarded by `turn`, and readers by `room`.
final class PostgresDriver: MetastoreDriver, @unchecked Sendable {
    private let settings: PostgresSettings
    private let purpose: String
    private let lock: String
    /// How long a writer waits for its turn, in milliseconds.
    private let patience: Int?
    private let turn = NSLock()
    private var writer: PostgresConnection?
    /// How often the last transaction was taken back, one after the other, and how often because it stood still.
    private var losses = 0
    private var stills = 0
    /// Whether nobody is held up by a transaction that stands still.
    private var isAlone = false
    private static let mostReaders = 3
    private let places = DispatchSemaphore(value: mostReaders)
    private let room = Mutex(Room())
    /// What every transaction that writes asks first, and who is told where it may not.
    private var fence: (question: PostgresFence, fenced: @Sendable (PerchError) -> Void)?
    /// Why nothing may be written any more.
    private let ban = Mutex<PerchError?>(nil)

    private struct Room {
        var idle: [PostgresConnection] = []
        var isClosed = false
    }

    /// How long a broken connection is replaced before those who wait are told, in milliseconds.
    private static let longestAbsence = 10_000
    /// How long a command waits for its turn, or for the server.
    static let commandPatience = 5_000
    /// How long a transaction that writes may stand still, in milliseconds. Others wait for its lock meanwhile. One that was ended
    /// for that may have stood still because there is much to work out, as of a DAG with a million tasks.
    private static let longestStills = [200, 800, 10_000, 60_000]
    private static let reads = 5

    /// - Parameters:
    ///   - lock: The key of the writers' lock.
    ///   - patience: How long a writer waits for its turn, in milliseconds; nil: for as long as it takes.
    ///   - first: The connection that writes, to begin with.
    init(_ settings: PostgresSettings, purpose: String, lock: String, patience: Int?, first: PostgresLink) {
        self.settings = settings
        self.purpose = purpose
        self.lock = lock
        self.patience = patience
        writer = PostgresConnection(link: first, lock: lock, patience: patience, prepares: settings.prepares)
    }

    func write<Result>(_ body: (any SQLConnection) throws -> Result) throws -> Result {
        turn.lock()
        defer { turn.unlock() }
        if let ban = ban.withLock({ $0 }) { throw ban }
        if writer?.link.isAlive != true {
            writer = nil
            writer = try reconnect()
        }
        guard let writer else { throw closed }
        let last = Self.longestStills.count - 1
        writer.longestStill = Self.longestStills[isAlone ? last : min(stills, last)]
        writer.fence = fence?.question
        do {
            let result = try body(writer)
            (losses, stills) = (0, 0)
            return result
        } catch let error where writer.isFenced {
            throw banned(error)
        } catch let lost as LostTransaction {
            if writer.link.hasStoodStill { stills += 1 }
            // Whom it met gets ahead before it is made again.
            losses = min(losses + 1, 7)
            usleep(1_000 << UInt32(losses))
            throw lost
        }
    }

    /// From now on every transaction that writes asks whether this process may.
    ///
    /// - Parameter fenced: Is told, once, where it may not.
    func fence(_ question: PostgresFence, fenced: @escaping @Sendable (PerchError) -> Void) {
        turn.withLock { fence = (question, fenced) }
    }

    /// Finds out why it may not, and never writes again.
    private func banned(_ error: any Error) -> any Error {
        guard let fence else { return error }
        var reason = fence.question.hadAlone(by: [])
        do {
            reason = try read { try fence.question.reason($0) } ?? reason
        } catch {
            // Why it is, is not to be had; that it is so is known.
        }
        forbidWriting(reason)
        fence.fenced(reason)
        return reason
    }

    /// Nobody else works on the metastore: a transaction may take its time.
    func takeTime() { turn.withLock { isAlone = true } }

    func read<Result>(_ body: (any SQLConnection) throws -> Result) throws -> Result {
        places.wait()
        defer { places.signal() }
        for _ in 1..<Self.reads {
            do {
                return try readOnce(body)
            } catch is LostTransaction {
                continue
            }
        }
        do {
            return try readOnce(body)
        } catch let lost as LostTransaction {
            throw lost.cause
        }
    }

    private func readOnce<Result>(_ body: (any SQLConnection) throws -> Result) throws -> Result {
        let idle = room.withLock { $0.idle.popLast().map(Boxed.init) }
        let reader = try idle?.connection ?? reconnect()
        defer { keep(reader) }
        try reader.perform(.beginReading)
        let result = Swift.Result { try body(reader) }
        if case .success = result {
            try reader.perform(.commit)
        } else if reader.isLost {
            // What the body says of it is what it has seen; the commit says that it was lost.
            try reader.perform(.commit)
        } else {
            try reader.perform(.rollback)
        }
        return try result.get()
    }

    private func keep(_ reader: PostgresConnection) {
        guard reader.link.isAlive, !reader.isInside else { return }
        let boxed = Boxed(connection: reader)
        room.withLock { room in
            if !room.isClosed { room.idle.append(boxed.connection) }
        }
    }

    private struct Boxed: @unchecked Sendable {  // because a reader is used by who has taken it out of the room
        var connection: PostgresConnection
    }

    func backup(to path: String) throws {
        throw PerchError(
            .unavailable,
            "the metastore is \(settings.address.name): copy it with pg_dump, or as its server is backed up")
    }

    func close() {
        turn.lock()
        writer = nil
        ban.withLock { $0 = closed }
        turn.unlock()
        room.withLock { room in
            room.idle = []
            room.isClosed = true
        }
    }

    /// Rings at the processes of all machines. What cannot be rung costs them a slow poll.
    func ring(_ bells: DoorbellSet, channel: String) {
        guard !bells.isEmpty else { return }
        turn.lock()
        defer { turn.unlock() }
        guard let writer, writer.link.isAlive, !writer.isInside else { return }
        let text = "SELECT pg_notify('\(channel)', '\(bells.rawValue)')"
        try? writer.query(text: text, []) { _ in }  // because a lost doorbell costs a slow poll and no more
    }

    /// From now on every write throws this.
    func forbidWriting(_ reason: PerchError) {
        ban.withLock { $0 = $0 ?? reason }
    }

    // MARK: Connecting

    private var closed: PerchError { PerchError(.unavailable, "the metastore in \(settings.address.name) is closed") }

    /// Connects for statements.
    ///
    /// - Parameter patience: How long who waits for it has, in milliseconds; nil: as long as it takes.
    static func link(_ settings: PostgresSettings, purpose: String, patience: Int?) throws -> PostgresLink {
        // libpq takes two seconds at least.
        try PostgresLink(
            settings.address, purpose: purpose, isSession: settings.isDirect,
            patience: max(2, (patience ?? longestAbsence) / 1_000))
    }

    private func connect() throws -> PostgresConnection {
        PostgresConnection(
            link: try Self.link(settings, purpose: purpose, patience: patience), lock: lock, patience: patience,
            prepares: settings.prepares)
    }

    /// Connects, and tries again after a while that grows where that fails.
    private func reconnect() throws -> PostgresConnection {
        // Where nobody answers at all, an attempt takes long, too.
        let deadline = ContinuousClock.now + .milliseconds(patience ?? Self.longestAbsence)
        var pause = 50
        while true {
            if room.withLock({ $0.isClosed }) { throw closed }
            do {
                return try connect()
            } catch {
                guard ContinuousClock.now + .milliseconds(pause) <= deadline else { throw error }
                usleep(UInt32(pause) * 1_000)
                pause = min(pause * 2, 1_000)
            }
        }
    }
}
