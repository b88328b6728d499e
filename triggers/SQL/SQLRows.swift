// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// A query with its limits.
struct SQLQuery: Hashable, Sendable {
    var text: String
    var parameters: [JSONValue]
    /// How many rows are counted.
    var countLimit: Int
    /// How many rows are kept.
    var rowLimit: Int
    /// How large the values of the kept rows are at most, in bytes.
    var byteLimit: Int
    /// How long it may run, in microseconds.
    var timeout: Int64

    /// One more than is kept, so that what is left out is noticed.
    var readLimit: Int { max(countLimit, rowLimit + 1) }
}

/// The rows of a query as far as they are kept.
struct SQLRows: Hashable, Sendable {
    private(set) var columns: [String] = []
    /// Objects by the names of the columns.
    private(set) var rows: [JSONValue] = []
    /// The first value of the first row.
    private(set) var first: JSONValue?
    /// How many were read.
    private(set) var count = 0
    private(set) var isCut = false
    private var bytes = 0

    init() {}

    /// Names the columns. A name that comes again has its number behind it: `id`, `id_2`.
    mutating func name(_ names: [String]) {
        var seen: Set<String> = []
        columns = names.map { name in
            var unique = name
            var number = 2
            while !seen.insert(unique).inserted {
                unique = "\(name)_\(number)"
                number += 1
            }
            return unique
        }
    }

    /// Takes a row.
    mutating func append(bytes size: Int, _ query: SQLQuery, _ values: () -> [JSONValue]) {
        count += 1
        guard !isCut, rows.count < query.rowLimit, bytes + size <= query.byteLimit else {
            isCut = true
            return
        }
        bytes += size
        let values = values()
        if count == 1 { first = values.first }
        rows.append(.object(Dictionary(uniqueKeysWithValues: zip(columns, values))))
    }
}

/// How a query ended.
enum SQLOutcome: Hashable, Sendable {
    case rows(SQLRows)
    /// The database refuses the query, or cannot answer it in time. `kind` tells classes apart.
    case failed(kind: String, String)
    /// There is no way to the database for any query.
    case unreachable(String)
}

/// Runs queries on one database, on the loop's thread.
protocol SQLBackend: AnyObject {
    /// How many queries run at a time.
    var places: Int { get }
    /// Runs a query; `done` is called in a later turn of the loop, unless the run is cancelled.
    func run(_ query: SQLQuery, done: @escaping (SQLOutcome) -> Void) -> any SQLRun
    /// Breaks everything off. No `done` is called any more.
    func close()
}

/// A query that runs.
protocol SQLRun: AnyObject {
    /// Breaks the query off; its `done` is not called. One that has ended is left alone.
    func cancel()
}
