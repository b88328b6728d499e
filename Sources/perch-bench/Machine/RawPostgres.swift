// SPDX-License-Identifier: Apache-2.0

import CPQ
import Foundation

/// PostgreSQL through libpq: what the server can do at this moment without Perch.
final class RawPostgres {
    private let connection: OpaquePointer

    init(_ url: String) throws {
        guard let connection = PQconnectdb(url) else { throw BenchError("libpq has no memory") }
        self.connection = connection
        cpq_silence_notices(connection)
        guard PQstatus(connection) == CONNECTION_OK else { throw BenchError(words) }
    }

    deinit { PQfinish(connection) }

    /// `150000` is version 15.
    var version: Int32 { PQserverVersion(connection) }

    /// What was wrong last, on one line.
    private var words: String {
        String(cString: PQerrorMessage(connection)).split(whereSeparator: \.isNewline).joined(separator: "; ")
    }

    /// Runs a statement with values in text form; gives the first column of its rows.
    @discardableResult
    func execute(_ sql: String, _ values: [String] = []) throws -> [String] {
        let texts = values.map { strdup($0) }
        defer { for text in texts { free(text) } }
        let pointers = texts.map { UnsafePointer<CChar>($0) }
        let result = PQexecParams(connection, sql, Int32(values.count), nil, pointers, nil, nil, 0)
        defer { PQclear(result) }
        let status = PQresultStatus(result)
        guard status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK else { throw BenchError("\(words): \(sql)") }
        guard PQnfields(result) > 0 else { return [] }
        return (0..<PQntuples(result)).map { String(cString: PQgetvalue(result, $0, 0)) }
    }

    /// Runs a statement for the numbers of a range, an array of `batch` for each durable commit. Gives rows a second.
    private func rate(_ sql: String, rows: Int, batch: Int) throws -> Double {
        let start = Monotonic.seconds
        for first in stride(from: 1, through: rows, by: batch) {
            let numbers = (first..<min(first + batch, rows + 1)).map(String.init).joined(separator: ",")
            try execute(sql, ["{\(numbers)}"])
        }
        return Double(rows) / (Monotonic.seconds - start)
    }

    /// Has a table like that of task instances, for as long as `body` runs: a key, a state, a text.
    private static func withTable<Result>(_ url: String, _ body: (RawPostgres) throws -> Result) throws -> Result {
        let database = try RawPostgres(url)
        try database.execute("CREATE TABLE bench (id BIGINT PRIMARY KEY, state TEXT NOT NULL, detail TEXT)")
        let result = try body(database)
        try database.execute("DROP TABLE bench")
        return result
    }

    /// Rows a second for inserts and for compare-and-set updates of the same rows, by statements of 1,000 rows.
    static func rates(_ url: String, rows: Int) throws -> (insert: Double, update: Double) {
        try withTable(url) { database in
            (
                try database.rate(
                    """
                    INSERT INTO bench (id, state, detail)
                    SELECT id, 'deferred', 'a target as long as they are' FROM unnest($1::BIGINT[]) AS id
                    """, rows: rows, batch: 1_000),
                try database.rate(
                    """
                    UPDATE bench SET state = 'success' WHERE id = ANY($1::BIGINT[]) AND state = 'deferred'
                    """, rows: rows, batch: 1_000)
            )
        }
    }

    /// The median time of a durable commit of one row, in ms.
    static func commitTime(_ url: String) throws -> Double {
        try withTable(url) { database in
            var times: [Double] = []
            for row in 0..<300 {
                let start = Monotonic.nanoseconds
                try database.execute("INSERT INTO bench (id, state) VALUES (\(row), 'none')")
                times.append(Double(Monotonic.nanoseconds - start) / 1e6)
            }
            return times.sorted()[times.count / 2]
        }
    }

    /// How long it takes to read all rows of a query, every column of them, in seconds.
    static func readTime(_ sql: String, _ url: String) throws -> Double {
        let database = try RawPostgres(url)
        let start = Monotonic.seconds
        guard PQsendQuery(database.connection, sql) == 1, PQsetSingleRowMode(database.connection) == 1 else {
            throw BenchError("\(database.words): \(sql)")
        }
        var bytes: Int64 = 0
        while let result = PQgetResult(database.connection) {
            defer { PQclear(result) }
            let status = PQresultStatus(result)
            guard status == PGRES_SINGLE_TUPLE || status == PGRES_TUPLES_OK else {
                throw BenchError("\(database.words): \(sql)")
            }
            for row in 0..<PQntuples(result) {
                for column in 0..<PQnfields(result) { bytes += Int64(PQgetlength(result, row, column)) }
            }
        }
        guard bytes > 0 else { throw BenchError("there are no rows to read") }
        return Monotonic.seconds - start
    }
}
