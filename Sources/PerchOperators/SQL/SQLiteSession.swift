// SPDX-License-Identifier: Apache-2.0

internal import GRDBSQLite
internal import Glibc
internal import PerchSDK

/// A connection to a file of SQLite, which looks now and then whether it is to stop.
final class SQLiteSession: SQLSession {
    /// What SQLite's callbacks look at.
    fileprivate final class Watch {
        let sleep: Sleep
        let lock: Alarm
        var end: Sleep.End?

        init(_ sleep: Sleep, _ lock: Alarm) {
            self.sleep = sleep
            self.lock = lock
        }

        /// Whether what runs is to end.
        func isOver() -> Bool {
            if end == nil { end = sleep.isOver() }
            return end != nil
        }
    }

    private let file: SQLiteFile
    private let watch: Watch
    private let statementTimeout: Duration?
    private var database: OpaquePointer?
    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    var name: String { "sqlite:\(file.path)" }

    /// Opens the file.
    init(_ file: SQLiteFile, _ stop: StopSignal, statementTimeout: Duration?) throws {
        self.file = file
        self.statementTimeout = statementTimeout
        watch = Watch(Sleep(stop: stop, alarm: try Alarm()), try Alarm())
        var flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        if file.isCreated { flags |= SQLITE_OPEN_CREATE }
        guard sqlite3_open_v2(file.path, &database, flags, nil) == SQLITE_OK else {
            let words = openingFault
            close()
            throw PerchError(.unavailable, words)
        }
        let context = Unmanaged.passUnretained(watch).toOpaque()
        sqlite3_progress_handler(
            database, 10_000,
            { context in
                guard let context else { return 0 }
                return Unmanaged<Watch>.fromOpaque(context).takeUnretainedValue().isOver() ? 1 : 0
            }, context)
        sqlite3_busy_handler(
            database,
            { context, count in
                guard let context else { return 0 }
                let watch = Unmanaged<Watch>.fromOpaque(context).takeUnretainedValue()
                return watch.awaitLock(first: count == 0) ? 1 : 0
            }, context)
    }

    private var openingFault: String {
        if access(file.path, R_OK) != 0 {
            let words = String(cString: strerror(errno))
            return errno == ENOENT
                ? "there is no file \(file.path); a connection with 'create': 'yes' in its extra makes one"
                : "\(file.path) cannot be read: \(words)"
        }
        return "\(file.path) cannot be opened: \(words)"
    }

    deinit { close() }

    func close() {
        if let database {
            sqlite3_progress_handler(database, 0, nil, nil)
            sqlite3_busy_handler(database, nil, nil)
            sqlite3_close_v2(database)
        }
        database = nil
    }

    private var words: String { sqlite3_errmsg(database).map { String(cString: $0) } ?? "SQLite has no memory" }

    // MARK: Statements

    func run(_ text: String, _ parameters: [JSONValue], together: Bool, _ taker: SQLTaker) throws {
        guard !text.utf8.contains(0) else { throw NonRetryable("the SQL text holds a zero byte") }
        var bytes = Array(text.utf8) + [0]
        var (offset, line, used, count) = (0, 1, 0, 0)
        if together { try command(isReading(bytes) ? "BEGIN" : "BEGIN IMMEDIATE") }
        while offset < bytes.count - 1 {
            let first = line + Self.blankLines(bytes[offset...])
            let place = "line \(first) of the SQL text"
            let (statement, next) = try prepare(&bytes, offset, place)
            defer { sqlite3_finalize(statement) }
            line += bytes[offset..<next].count { $0 == 0x0A }
            let own = String(decoding: bytes[offset..<next], as: UTF8.self)
            offset = next
            guard let statement else { continue }
            count += 1
            // A trigger's body has a BEGIN of its own, but not as its first word.
            if together, SQLScript.endsTransaction(SQLScript.words(of: own)) { throw SQLFaults.transaction(first) }
            used = max(used, try bind(parameters, statement, place))
            try step(statement, first, place, taker)
        }
        guard count > 0 else { throw NonRetryable("the SQL text holds no statement") }
        guard used == parameters.count else { throw SQLFaults.parameters(parameters.count, used: used) }
        if together { try command("COMMIT") }
    }

    private static func blankLines(_ bytes: ArraySlice<UInt8>) -> Int {
        bytes.prefix { $0 == 0x20 || (0x09...0x0D).contains($0) }.count { $0 == 0x0A }
    }

    /// Whether all of it is one statement that only reads. What cannot be prepared is said where it is run.
    private func isReading(_ bytes: [UInt8]) -> Bool {
        var statement: OpaquePointer?
        defer { sqlite3_finalize(statement) }
        let (result, next) = bytes.withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { text -> (Int32, Int) in
                var tail: UnsafePointer<CChar>?
                let result = sqlite3_prepare_v2(
                    database, text.baseAddress, Int32(clamping: text.count), &statement, &tail)
                return (result, tail.flatMap { tail in text.baseAddress.map { tail - $0 } } ?? 0)
            }
        }
        guard result == SQLITE_OK, statement != nil, sqlite3_stmt_readonly(statement) != 0 else { return false }
        return bytes[next...].allSatisfy { $0 == 0 || $0 == 0x20 || (0x09...0x0D).contains($0) }
    }

    private func prepare(
        _ bytes: inout [UInt8], _ offset: Int, _ place: String
    ) throws -> (statement: OpaquePointer?, next: Int) {
        var statement: OpaquePointer?
        start()
        let (result, next) = bytes.withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { text -> (Int32, Int) in
                guard let base = text.baseAddress else { return (SQLITE_OK, offset) }
                var tail: UnsafePointer<CChar>?
                let result = sqlite3_prepare_v2(
                    database, base + offset, Int32(clamping: text.count - offset), &statement, &tail)
                return (result, tail.map { $0 - base } ?? text.count - 1)
            }
        }
        guard result == SQLITE_OK else { throw fault(result, place) }
        return (statement, next)
    }

    /// Binds what a statement names; gives the highest number.
    private func bind(_ parameters: [JSONValue], _ statement: OpaquePointer, _ place: String) throws -> Int {
        var highest = 0
        let count = sqlite3_bind_parameter_count(statement)
        guard count > 0 else { return 0 }
        for index in 1...count {
            let name = sqlite3_bind_parameter_name(statement, index).map { String(cString: $0) }
            var number = Int(index)
            if let name {
                // Of ?9 alone SQLite counts nine parameters.
                guard name.hasPrefix("$") || name.hasPrefix("?"), let given = Int(name.dropFirst()), given > 0 else {
                    throw NonRetryable("\(place): the parameters are $1, $2, …, not \(name.shown(40))")
                }
                number = given
            }
            guard number <= parameters.count else { throw SQLFaults.parameters(parameters.count, used: number) }
            highest = max(highest, number)
            try bind(SQLCell(parameters[number - 1]), statement, index, place)
        }
        return highest
    }

    /// Binds one value.
    func bind(_ cell: SQLCell, _ statement: OpaquePointer, _ place: Int32, _ name: String) throws {
        let result =
            switch cell {
            case .null: sqlite3_bind_null(statement, place)
            case .bool(let flag): sqlite3_bind_int64(statement, place, flag ? 1 : 0)
            case .integer(let number): sqlite3_bind_int64(statement, place, number)
            // SQLite makes a null of what is no number.
            case .number(let number) where number.isNaN: bind("NaN", statement, place)
            case .number(let number): sqlite3_bind_double(statement, place, number)
            case .decimal(let text), .text(let text), .json(let text): bind(text, statement, place)
            case .bytes(let bytes):
                bytes.isEmpty
                    ? sqlite3_bind_zeroblob(statement, place, 0)
                    : sqlite3_bind_blob64(statement, place, bytes, UInt64(bytes.count), Self.transient)
            }
        guard result == SQLITE_OK else { throw fault(result, name) }
    }

    private func bind(_ text: String, _ statement: OpaquePointer, _ place: Int32) -> Int32 {
        var text = text
        return text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                sqlite3_bind_text(
                    statement, place, $0.baseAddress ?? UnsafePointer(bitPattern: 1), Int32($0.count), Self.transient)
            }
        }
    }

    private func step(_ statement: OpaquePointer, _ line: Int, _ place: String, _ taker: SQLTaker) throws {
        let columns = sqlite3_column_count(statement)
        if columns > 0 {
            let names = (0..<columns).map { sqlite3_column_name(statement, $0).map { String(cString: $0) } ?? "" }
            try taker.columns(SQLColumns.unique(names))
        }
        let before = sqlite3_total_changes(database)
        var count = 0
        start()
        while true {
            let result = sqlite3_step(statement)
            if result == SQLITE_DONE { break }
            guard result == SQLITE_ROW else { throw fault(result, place) }
            count += 1
            try taker.row((0..<columns).map { Self.cell(statement, $0) })
            // Rows that come fast call no handler.
            if count % 256 == 0, watch.isOver() { throw fault(SQLITE_INTERRUPT, place) }
        }
        let changed = sqlite3_total_changes(database) - before
        taker.end(line, count, sqlite3_stmt_readonly(statement) != 0 ? nil : Int(changed))
    }

    /// Runs one statement that gives nothing.
    func command(_ text: String) throws {
        start()
        let result = sqlite3_exec(database, text, nil, nil, nil)
        guard result == SQLITE_OK else { throw fault(result, "'\(text.shown(60))'") }
    }

    private func start() {
        watch.sleep.alarm.set(statementTimeout)
        watch.lock.set(file.lockTimeout)
    }

    private static func cell(_ statement: OpaquePointer, _ column: Int32) -> SQLCell {
        switch sqlite3_column_type(statement, column) {
        case SQLITE_INTEGER: return .integer(sqlite3_column_int64(statement, column))
        case SQLITE_FLOAT: return .number(sqlite3_column_double(statement, column))
        case SQLITE_TEXT:
            let text = UnsafeBufferPointer(
                start: sqlite3_column_text(statement, column), count: Int(sqlite3_column_bytes(statement, column)))
            return .text(String(decoding: text, as: UTF8.self))
        case SQLITE_BLOB:
            let bytes = UnsafeRawBufferPointer(
                start: sqlite3_column_blob(statement, column), count: Int(sqlite3_column_bytes(statement, column)))
            return .bytes(Array(bytes))
        default: return .null
        }
    }

    private func fault(_ code: Int32, _ place: String) -> any Error {
        switch code & 0xFF {
        case SQLITE_INTERRUPT, SQLITE_BUSY, SQLITE_LOCKED:
            if watch.end == .stopped || watch.sleep.stop.isRaised { return CancellationError() }
            if watch.end == .late { return SQLFaults.late(statementTimeout) }
            return PerchError(
                .unavailable,
                "\(name): \(place): another holds a lock on the database, for longer than \(TimeSpan(file.lockTimeout))"
            )
        default: return PerchError(.invalid, "\(name): \(place): \(words.shown(400))")
        }
    }

    // MARK: Rows

    /// A statement that is run for one row after another.
    func prepared(_ text: String) throws -> OpaquePointer {
        var bytes = Array(text.utf8) + [0]
        let (statement, _) = try prepare(&bytes, 0, "'\(text.shown(60))'")
        guard let statement else { throw NonRetryable("an empty statement") }
        return statement
    }

    /// Runs a prepared statement once, with the values of a row.
    func insert(_ row: [SQLCell], _ statement: OpaquePointer, _ place: () -> String) throws {
        for (index, cell) in row.enumerated() { try bind(cell, statement, Int32(index + 1), place()) }
        let result = sqlite3_step(statement)
        guard result == SQLITE_DONE || result == SQLITE_ROW else { throw fault(result, place()) }
        sqlite3_reset(statement)
    }

    func finalize(_ statement: OpaquePointer) { sqlite3_finalize(statement) }
}

extension SQLiteSession.Watch {
    /// Sleeps a little while another holds a lock; false: not any longer.
    fileprivate func awaitLock(first: Bool) -> Bool {
        guard !isOver() else { return false }
        let end = Sleep(stop: sleep.stop, alarm: lock).milliseconds(first ? 1 : 20)
        return end == nil
    }
}
