// SPDX-License-Identifier: Apache-2.0

internal import GRDBSQLite
internal import Glibc
internal import PerchSDK
internal import Synchronization

/// Tells a query on another thread to stop.
final class StopFlag: Sendable {
    private let flag = Atomic(false)

    func raise() { flag.store(true, ordering: .relaxed) }
    var isRaised: Bool { flag.load(ordering: .relaxed) }
}

/// One query on a file of SQLite, from opening it to closing it. Blocks.
enum SQLiteQuery {
    /// How long another's lock is waited for, in milliseconds; the next probe comes anyway.
    private static let patience: Int32 = 100
    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    static func run(_ query: SQLQuery, path: String, stop: StopFlag) -> SQLOutcome {
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let result = sqlite3_open_v2(path, &opened, flags, nil)
        defer { sqlite3_close_v2(opened) }
        guard let database = opened else { return .unreachable("SQLite has no memory for \(path)") }
        guard result == SQLITE_OK else { return .unreachable(openingFault(database, path)) }
        sqlite3_busy_timeout(database, patience)
        // Neither ATTACH nor VACUUM INTO: they make files.
        sqlite3_limit(database, SQLITE_LIMIT_ATTACHED, 0)
        let context = Unmanaged.passUnretained(stop).toOpaque()
        sqlite3_progress_handler(
            database, 1_000,
            { context in
                guard let context else { return 0 }
                return Unmanaged<StopFlag>.fromOpaque(context).takeUnretainedValue().isRaised ? 1 : 0
            }, context)
        // The flag must be there for as long as the handler is asked.
        defer { withExtendedLifetime(stop) { sqlite3_progress_handler(database, 0, nil, nil) } }
        return rows(of: query, database, path)
    }

    private static func openingFault(_ database: OpaquePointer, _ path: String) -> String {
        if access(path, R_OK) != 0 {
            return errno == ENOENT ? "there is no file \(path)" : "\(path) cannot be read: \(text(of: errno))"
        }
        return "\(path) cannot be opened: \(words(of: database))"
    }

    private static func text(of number: Int32) -> String { String(cString: strerror(number)) }
    private static func words(of database: OpaquePointer) -> String { String(cString: sqlite3_errmsg(database)) }

    private static func rows(of query: SQLQuery, _ database: OpaquePointer, _ path: String) -> SQLOutcome {
        var statement: OpaquePointer?
        defer { sqlite3_finalize(statement) }
        let (result, rest) = query.text.withCString { text -> (Int32, String) in
            var tail: UnsafePointer<CChar>?
            let result = sqlite3_prepare_v2(database, text, -1, &statement, &tail)
            return (result, tail.map { String(cString: $0) } ?? "")
        }
        guard result == SQLITE_OK else { return fault(result, database, query) }
        guard let statement else { return .failed(kind: "query", "the query holds no statement") }
        guard isNothing(rest, database) else {
            return .failed(kind: "query", "the query is one statement; behind it stands: \(rest.shown(80))")
        }
        guard sqlite3_stmt_readonly(statement) != 0, sqlite3_column_count(statement) > 0 else {
            return .failed(kind: "query", "the query is one that gives rows and changes nothing")
        }
        let places = Int(sqlite3_bind_parameter_count(statement))
        guard places == query.parameters.count else {
            return .failed(
                kind: "query", "the query has \(places) places for parameters, given are \(query.parameters.count)")
        }
        for (index, value) in query.parameters.enumerated() {
            let bound = bind(value, statement, Int32(index + 1))
            guard bound == SQLITE_OK else { return fault(bound, database, query) }
        }
        return step(statement, database, query)
    }

    /// What stands behind the statement may be space, a comment or a semicolon.
    private static func isNothing(_ rest: String, _ database: OpaquePointer) -> Bool {
        var text = rest
        while true {
            var statement: OpaquePointer?
            var left = ""
            let result = text.withCString { pointer -> Int32 in
                var tail: UnsafePointer<CChar>?
                let result = sqlite3_prepare_v2(database, pointer, -1, &statement, &tail)
                left = tail.map { String(cString: $0) } ?? ""
                return result
            }
            defer { sqlite3_finalize(statement) }
            guard result == SQLITE_OK, statement == nil else { return false }
            if left.isEmpty || left == text { return true }
            text = left
        }
    }

    private static func step(
        _ statement: OpaquePointer, _ database: OpaquePointer, _ query: SQLQuery
    ) -> SQLOutcome {
        let columns = sqlite3_column_count(statement)
        var rows = SQLRows()
        rows.name((0..<columns).map { sqlite3_column_name(statement, $0).map { String(cString: $0) } ?? "" })
        while rows.count < query.readLimit {
            let result = sqlite3_step(statement)
            if result == SQLITE_DONE { break }
            guard result == SQLITE_ROW else { return fault(result, database, query) }
            // Of numbers the size says nothing worth knowing.
            let size = (0..<columns).reduce(0) { sum, column in
                let type = sqlite3_column_type(statement, column)
                guard type == SQLITE_TEXT || type == SQLITE_BLOB else { return sum + 8 }
                return sum + Int(sqlite3_column_bytes(statement, column)) * (type == SQLITE_BLOB ? 2 : 1)
            }
            rows.append(bytes: size, query) { (0..<columns).map { value(statement, $0) } }
        }
        return .rows(rows)
    }

    private static func value(_ statement: OpaquePointer, _ column: Int32) -> JSONValue {
        switch sqlite3_column_type(statement, column) {
        case SQLITE_INTEGER: return .integer(sqlite3_column_int64(statement, column))
        case SQLITE_FLOAT:
            let number = sqlite3_column_double(statement, column)
            return number.isFinite ? .number(number) : .string("\(number)")
        case SQLITE_TEXT:
            let text = UnsafeBufferPointer(
                start: sqlite3_column_text(statement, column), count: Int(sqlite3_column_bytes(statement, column)))
            return .string(String(decoding: text, as: UTF8.self))
        case SQLITE_BLOB:
            let bytes = UnsafeRawBufferPointer(
                start: sqlite3_column_blob(statement, column), count: Int(sqlite3_column_bytes(statement, column)))
            let digits = Array("0123456789abcdef".utf8)
            // As PostgreSQL writes bytes.
            return .string(
                "\\x" + String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self))
        default: return .null
        }
    }

    private static func bind(_ value: JSONValue, _ statement: OpaquePointer, _ place: Int32) -> Int32 {
        switch value {
        case .null: sqlite3_bind_null(statement, place)
        case .bool(let flag): sqlite3_bind_int64(statement, place, flag ? 1 : 0)
        case .integer(let number): sqlite3_bind_int64(statement, place, number)
        case .number(let number): sqlite3_bind_double(statement, place, number)
        case .string(let text): sqlite3_bind_text(statement, place, text, -1, transient)
        case .array, .object: sqlite3_bind_text(statement, place, value.text, -1, transient)
        }
    }

    private static func fault(_ code: Int32, _ database: OpaquePointer, _ query: SQLQuery) -> SQLOutcome {
        switch code & 0xFF {
        case SQLITE_INTERRUPT:
            return .failed(
                kind: "timeout", "the query took longer than \(TimeSpan(microseconds: query.timeout)) and was stopped")
        case SQLITE_BUSY, SQLITE_LOCKED: return .failed(kind: "busy", "another holds a lock on the database")
        case SQLITE_CANTOPEN, SQLITE_NOTADB, SQLITE_CORRUPT, SQLITE_IOERR:
            return .failed(kind: "file", words(of: database))
        default: return .failed(kind: "query", words(of: database).shown(300))
        }
    }
}
