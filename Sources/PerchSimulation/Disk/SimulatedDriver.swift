// SPDX-License-Identifier: Apache-2.0

internal import GRDBSQLite
package import PerchMetastore
internal import PerchSDK

/// The connections of one simulated process to the metastore on a simulated disk: real SQLite, set up as in production.
///
/// When the process is dead, everything throws `unavailable` with one message; `close` never fails.
///
/// Unchecked, because a simulation runs on one thread.
package final class SimulatedDriver: MetastoreDriver, @unchecked Sendable {
    /// What the metastore's file is called on its disk.
    package static let fileName = "perch.db"

    package let disk: SimulatedDisk
    package let process: SimulatedDisk.Process
    private let hooks: DriverHooks
    private var writer: Opened?
    /// Readers that nobody uses right now.
    private var idle: [Opened] = []
    private var isClosed = false

    private struct Opened {
        var handle: OpaquePointer
        var connection: SQLiteConnection
    }

    /// Opens the metastore's file, or makes it.
    ///
    /// - Parameter process: Whose connections these are; nil: a process of its own.
    package init(disk: SimulatedDisk, process: SimulatedDisk.Process? = nil, hooks: DriverHooks = DriverHooks()) throws
    {
        self.disk = disk
        self.process = process ?? disk.spawn()
        self.hooks = hooks
        do {
            let opened = try open(Self.fileName)
            writer = opened
            try opened.connection.execute(script: "PRAGMA journal_mode = WAL")
        } catch {
            closeAll()
            throw honest(error)
        }
    }

    deinit {
        closeAll()
    }

    /// Whether the process was killed, or the power went.
    package var isDead: Bool { disk.isDead(process) }

    package func write<Result>(_ body: (any SQLConnection) throws -> Result) throws -> Result {
        try requireAlive()
        guard let writer else { throw Self.closed }
        let hooked = HookedConnection(base: writer.connection, hooks: hooks) { [self] in try requireAlive() }
        do {
            return try body(hooked)
        } catch {
            throw honest(error)
        }
    }

    package func read<Result>(_ body: (any SQLConnection) throws -> Result) throws -> Result {
        try requireAlive()
        guard !isClosed else { throw Self.closed }
        do {
            let reader = try idle.popLast() ?? openReader()
            var isWhole = false
            // A reader whose transaction could not be ended is not used again.
            defer { if isWhole { idle.append(reader) } else { close(reader) } }
            try reader.connection.perform(.beginReading)
            let result = Swift.Result { try body(reader.connection) }
            do {
                try reader.connection.perform(.commit)
                isWhole = true
            } catch {
                // The error of the body came first, and may be why there is nothing to end.
                _ = try result.get()
                throw error
            }
            return try result.get()
        } catch {
            throw honest(error)
        }
    }

    /// Copies the metastore to another file of the same disk, named as the last part of the path.
    package func backup(to path: String) throws {
        try requireAlive()
        guard let writer else { throw Self.closed }
        let name = path.split(separator: "/").last.map(String.init) ?? path
        do {
            let target = try open(name)
            defer { close(target) }
            guard let copy = sqlite3_backup_init(target.handle, "main", writer.handle, "main") else {
                throw fault(target.handle)
            }
            sqlite3_backup_step(copy, -1)
            guard sqlite3_backup_finish(copy) == SQLITE_OK else { throw fault(target.handle) }
        } catch {
            throw honest(error)
        }
    }

    package func close() throws {
        closeAll()
    }

    // MARK: connections

    private func openReader() throws -> Opened {
        let opened = try open(Self.fileName)
        do {
            try opened.connection.execute(script: "PRAGMA query_only = 1")
        } catch {
            close(opened)
            throw error
        }
        return opened
    }

    private func open(_ name: String) throws -> Opened {
        var handle: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
        let code = sqlite3_open_v2(disk.path(name, of: process), &handle, flags, SimulatedDisk.vfs)
        guard let handle else { throw PerchError(.unavailable, "SQLite has no memory for a connection") }
        let opened = Opened(handle: handle, connection: SQLiteConnection(handle: handle, rewrite: hooks.rewrite))
        guard code == SQLITE_OK else {
            defer { close(opened) }
            throw fault(handle)
        }
        do {
            try opened.connection.execute(script: SQLiteSettings.script)
        } catch {
            close(opened)
            throw error
        }
        return opened
    }

    private func close(_ opened: Opened) {
        opened.connection.finalizeStatements()
        // It may fail on a broken disk; the connection is gone all the same.
        sqlite3_close_v2(opened.handle)
    }

    private func closeAll() {
        isClosed = true
        for reader in idle { close(reader) }
        idle = []
        if let writer { close(writer) }
        writer = nil
    }

    // MARK: errors

    private static let closed = PerchError(.unavailable, "the simulated metastore is closed")

    private func requireAlive() throws {
        if isDead { throw PerchError(.unavailable, "the process of this metastore is dead") }
    }

    /// A dead process has one error, whatever SQLite said last.
    private func honest(_ error: any Error) -> any Error {
        do {
            try requireAlive()
            return error
        } catch {
            return error
        }
    }

    private func fault(_ handle: OpaquePointer) -> PerchError {
        PerchError(.unavailable, "the simulated metastore cannot be opened: \(String(cString: sqlite3_errmsg(handle)))")
    }
}
