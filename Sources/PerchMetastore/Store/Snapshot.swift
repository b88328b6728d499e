// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// One consistent view of the metastore. Only valid inside the closure that it was given to.
public class Snapshot {
    package let connection: any SQLConnection
    let catalog: DAGCatalog
    /// The metastore's clock at the start of the transaction.
    public let now: Timestamp

    init(connection: any SQLConnection, catalog: DAGCatalog, now: Timestamp) {
        self.connection = connection
        self.catalog = catalog
        self.now = now
    }

    /// A view of what a connection reads, apart from any metastore that is open.
    package convenience init(reading connection: any SQLConnection, now: Timestamp) {
        self.init(connection: connection, catalog: DAGCatalog(), now: now)
    }

    /// The rows of a query, each made into a value.
    func rows<Value, each Input: SQLConvertible>(
        _ sql: StaticString, _ inputs: repeat each Input, as make: (borrowing SQLRow) throws -> Value
    ) throws -> [Value] {
        var values: [SQLValue] = []
        values.reserveCapacity(16)
        repeat values.append((each inputs).sqlValue)
        var found: [Value] = []
        try connection.query(sql, values) { row in found.append(try make(row)) }
        return found
    }

    /// The rows of a query for each of several lists of values, in their order. It is asked for all of them together.
    func rows<Value>(
        _ sql: StaticString, forEach lists: [[SQLValue]], as make: (borrowing SQLRow) throws -> Value
    ) throws -> [[Value]] {
        var found = [[Value]](repeating: [], count: lists.count)
        try connection.query(sql, forEach: lists) { place, row in found[place].append(try make(row)) }
        return found
    }

    /// Hands over the rows of a query, one after the other.
    func each<each Input: SQLConvertible>(
        _ sql: StaticString, _ inputs: repeat each Input, do body: (borrowing SQLRow) throws -> Void
    ) throws {
        var values: [SQLValue] = []
        values.reserveCapacity(16)
        repeat values.append((each inputs).sqlValue)
        try connection.query(sql, values) { row in try body(row) }
    }

    /// The first row of a query, made into a value.
    func first<Value, each Input: SQLConvertible>(
        _ sql: StaticString, _ inputs: repeat each Input, as make: (borrowing SQLRow) throws -> Value
    ) throws -> Value? {
        var values: [SQLValue] = []
        values.reserveCapacity(16)
        repeat values.append((each inputs).sqlValue)
        var found: Value?
        try connection.queryFirst(sql, values) { row in found = try make(row) }
        return found
    }

    /// A query that gives one number.
    func number<each Input: SQLConvertible>(_ sql: StaticString, _ inputs: repeat each Input) throws -> Int64? {
        try first(sql, repeat each inputs) { $0.optionalInt64(0) } ?? nil
    }
}
