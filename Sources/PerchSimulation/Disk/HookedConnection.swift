// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore

/// The writer's connection, with somebody at its elbow: it sees each COMMIT, and each call before it is made.
final class HookedConnection: SQLConnection {
    let base: SQLiteConnection
    private let hooks: DriverHooks
    private let requireAlive: () throws -> Void

    init(base: SQLiteConnection, hooks: DriverHooks, requireAlive: @escaping () throws -> Void) {
        self.base = base
        self.hooks = hooks
        self.requireAlive = requireAlive
    }

    var totalChanges: Int { base.totalChanges }

    func run(_ sql: StaticString, _ values: [SQLValue]) throws -> Int {
        try requireAlive()
        return try base.run(sql, values)
    }

    func runMany(_ sql: StaticString, rows: Int, _ values: [SQLValue]) throws {
        try requireAlive()
        try base.runMany(sql, rows: rows, values)
    }

    func query(_ sql: StaticString, _ values: [SQLValue], _ body: (borrowing SQLRow) throws -> Void) throws {
        try requireAlive()
        try base.query(sql, values, body)
    }

    func query(text sql: String, _ values: [SQLValue], _ body: (borrowing SQLRow) throws -> Void) throws {
        try requireAlive()
        try base.query(text: sql, values, body)
    }

    func execute(script: String) throws {
        try requireAlive()
        try base.execute(script: script)
    }

    func perform(_ step: TransactionStep) throws {
        try requireAlive()
        guard step == .commit else { return try base.perform(step) }
        try hooks.beforeCommit()
        try requireAlive()
        try base.perform(step)
        try hooks.afterCommit()
        // A process that dies in its hook tells nobody that the group was committed.
        try requireAlive()
    }
}
