// SPDX-License-Identifier: Apache-2.0

import CSQLite
import Foundation
import GRDB
import GRDBSQLite
import Glibc
import PerchSDK
import Synchronization

/// The metastore's file: GRDB keeps the connections (one writer, a pool of snapshot readers), statements go through their
/// raw handles.
///
/// Unchecked, because connections are only used inside GRDB's own access queues.
final class SQLiteDriver: MetastoreDriver, @unchecked Sendable {
    private let pool: DatabasePool
    private let gate: WriteGate
    private let access: Metastore.Access
    /// Statement caches by raw handle. A handle is only used inside its GRDB queue, so are the statements.
    private let connections = Mutex<[UInt: Boxed]>([:])

    /// When the last write of a member began and ended.
    private let turn = Mutex<(began: ContinuousClock.Instant, ended: ContinuousClock.Instant)?>(nil)

    private struct Boxed: @unchecked Sendable {  // because it is only used inside the queue of its handle
        var connection: SQLiteConnection
    }

    /// Nobody asks how much memory SQLite uses; counting it costs a lock at each allocation. Where somebody has opened a
    /// database before, it stays as it is.
    private static let setUp: Void = {
        _ = csqlite_set_up()
    }()

    init(path: String, gate: WriteGate, access: Metastore.Access) throws {
        Self.setUp
        self.gate = gate
        self.access = access
        var configuration = Configuration()
        configuration.label = "perch"
        configuration.maximumReaderCount = 3
        // SQLite's own timeout sleeps longer and longer, up to a tenth of a second.
        configuration.busyMode = .callback { tries in
            usleep(500)
            return tries < 10_000
        }
        configuration.prepareDatabase { database in
            try database.execute(
                sql: SQLiteSettings.script)
        }
        do {
            pool = try DatabasePool(path: path, configuration: configuration)
            // GRDB lowers it to NORMAL when it switches to WAL; what is acknowledged has to survive a power loss.
            try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = EXTRA") }
        } catch let error as DatabaseError {
            throw Self.fault(error, path: path)
        }
    }

    /// Who is not the engine stands in line at the gate; the engine lets those in line go first, between its groups.
    func write<Result>(_ body: (any SQLConnection) throws -> Result) throws -> Result {
        guard access != .engine else {
            gate.letOthersPass()
            return try begin(body)
        }
        if access == .member { leaveRoom() }
        try gate.enter()
        let began = ContinuousClock.now
        defer {
            gate.leave()
            if access == .member { turn.withLock { $0 = (began, .now) } }
        }
        return try begin(body)
    }

    private func begin<Result>(_ body: (any SQLConnection) throws -> Result) throws -> Result {
        try pool.writeWithoutTransaction { database in try body(try connection(of: database)) }
    }

    /// A member that commits without a pause leaves the others as much time as it took.
    private func leaveRoom() {
        guard let (began, ended) = turn.withLock({ $0 }) else { return }
        let left = min(ended - began, .milliseconds(20)) - (ContinuousClock.now - ended)
        if left > .zero { usleep(UInt32(left / .microseconds(1))) }
    }

    func read<Result>(_ body: (any SQLConnection) throws -> Result) throws -> Result {
        try pool.read { database in try body(try connection(of: database)) }
    }

    /// Copies the metastore, page by page, while it is in use.
    func backup(to path: String) throws {
        do {
            let copy = try DatabaseQueue(path: path)
            try pool.backup(to: copy)
            try copy.close()
        } catch let error as DatabaseError {
            throw Self.fault(error, path: path)
        }
    }

    func close() throws {
        connections.withLock { all in
            for boxed in all.values { boxed.connection.finalizeStatements() }
            all = [:]
        }
        try pool.close()
    }

    private func connection(of database: Database) throws -> SQLiteConnection {
        guard let handle = database.sqliteConnection else {
            throw PerchError(.unavailable, "the metastore is closed")
        }
        let key = UInt(bitPattern: handle)
        return connections.withLock { all in
            if let known = all[key] { return known }
            let made = Boxed(connection: SQLiteConnection(handle: handle))
            all[key] = made
            return made
        }.connection
    }

    private static func fault(_ error: DatabaseError, path: String) -> PerchError {
        let fault = SQLiteFault.error(
            code: error.resultCode.rawValue, message: error.message ?? "no reason given", statement: error.sql ?? "open"
        )
        return PerchError(fault.code, "\(path): \(fault.message)")
    }
}
