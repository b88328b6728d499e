// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Reads and writes: one member of a group commit. Only valid inside the closure that it was given to.
///
/// What a transition has to tell others is rung on `doorbells` and leaves after the COMMIT.
public final class Transaction: Snapshot {
    let ids: IDAllocator
    private(set) var doorbells: DoorbellSet = []
    /// What those before it in its group have rung, and nobody need hear any more.
    private(set) var answered: DoorbellSet = []
    /// What was changed, for figures.
    var tally = TransactionTally()
    /// What the member has read or changed and will need again; thrown away with it.
    var runs: [Int64: RunFacts] = [:]
    var gates: [String: Gate] = [:]
    /// Processes that are known to hold their leases.
    var leaseholders: Set<Int64> = []
    /// Whether a pool counts tasks that wait, once it was looked up.
    var poolsCountDeferred: Bool?
    /// How many slots more, or less, of a pool or a limit are held than its row says.
    var slotChanges: [String: Int] = [:]
    var fairShare: FairShare?
    /// Whether anything waits for the end of any run or task; nil before the first look.
    var hasRunWaits: Bool?
    /// Whether anything waits for ends of a DAG's runs, or of its tasks, by edge key.
    var isEdgeWaitedFor: [Int64: Bool] = [:]
    private var lastWaitID: Int64?

    init(connection: any SQLConnection, catalog: DAGCatalog, ids: IDAllocator, now: Timestamp) {
        self.ids = ids
        super.init(connection: connection, catalog: catalog, now: now)
    }

    /// Rings after the COMMIT.
    func ring(_ bells: DoorbellSet) {
        doorbells.formUnion(bells)
    }

    /// Tells workers that what they are to start as their bundle may be another one now.
    public func ringBundles() { ring(.bundles) }

    /// Takes back what was rung: for who does himself, next, what the bells ask for.
    public func silence(_ bells: DoorbellSet) {
        doorbells.subtract(bells)
    }

    /// Takes back what was rung until now, by this member or by others of its group: all that the bells told of is done.
    func answer(_ bells: DoorbellSet) {
        doorbells.subtract(bells)
        answered.formUnion(bells)
    }

    /// Runs a statement and gives the number of rows that it changed.
    @discardableResult
    func run<each Input: SQLConvertible>(_ sql: StaticString, _ inputs: repeat each Input) throws -> Int {
        var values: [SQLValue] = []
        values.reserveCapacity(16)
        repeat values.append((each inputs).sqlValue)
        return try connection.run(sql, values)
    }

    /// Runs a statement of which nobody asks how many rows it changed, in the same order as all others. Where the database is
    /// on another machine, many of these go there together.
    func post<each Input: SQLConvertible>(_ sql: StaticString, _ inputs: repeat each Input) throws {
        var values: [SQLValue] = []
        values.reserveCapacity(16)
        repeat values.append((each inputs).sqlValue)
        try connection.post(sql, values)
    }

    /// Runs a statement for many rows of values, many at a time: a statement costs as much as a row.
    ///
    /// - Parameters:
    ///   - sql: Has the values of one row in parentheses behind `VALUES`.
    ///   - values: Those of all rows, one row after the other.
    ///   - width: How many values a row has.
    func runMany(_ sql: StaticString, _ values: [SQLValue], width: Int) throws {
        var (first, left) = (0, values.count / width)
        // A text of its own is prepared for each number of rows, so there are few.
        for rows in [32, 8, 1] {
            while left >= rows {
                let count = rows * width
                try connection.runMany(sql, rows: rows, Array(values[first..<first + count]))
                first += count
                left -= rows
            }
        }
    }

    /// Runs `UPDATE … FROM (VALUES (…))` for many rows, and a statement of its own for each of the few that are left: there the one
    /// costs less than the other.
    ///
    /// - Parameters:
    ///   - many: Has the values of one row in parentheses behind `VALUES`.
    ///   - one: Does the same for one row, with the same values in the same order.
    ///   - values: Those of all rows, one row after the other.
    ///   - width: How many values a row has.
    func updateMany(_ many: StaticString, one: StaticString, _ values: [SQLValue], width: Int) throws {
        let together = values.count / width / 8 * 8 * width
        try runMany(many, Array(values[..<together]), width: width)
        for first in stride(from: together, to: values.count, by: width) {
            try connection.post(one, Array(values[first..<first + width]))
        }
    }

    /// A fresh id: unique for ever, and ascending in the order of one process's calls.
    func nextID() throws -> Int64 {
        try ids.next(reserve: { size in try self.advanceCounter("id", by: size) })
    }

    /// A wait's id. Ascends with the order of commits, so that "after the last one seen" misses none: the counter's row
    /// is read under the transaction's lock and written back by `finishMember`.
    func nextWaitID() throws -> Int64 {
        var last = lastWaitID ?? 0
        if lastWaitID == nil {
            last = try number("SELECT value FROM counter WHERE name = 'wait_id' {for_update}") ?? 0
        }
        last += 1
        lastWaitID = last
        return last
    }

    /// The id of the last wait that was registered.
    func lastRegisteredWait() throws -> Int64 {
        try lastWaitID ?? number("SELECT value FROM counter WHERE name = 'wait_id'") ?? 0
    }

    /// Adds to a counter; gives the value afterwards.
    func advanceCounter(_ name: String, by step: Int64) throws -> Int64 {
        guard
            let value = try number(
                "UPDATE counter SET value = value + :2 WHERE name = :1 RETURNING value", name, step)
        else {
            throw PerchError(.metastore, "the metastore has no counter '\(name)': run 'db check'")
        }
        return value
    }

    /// To be called once at the end of the member.
    func finishMember() throws {
        try storeSlotChanges()
        try storeFairShare()
        if let lastWaitID {
            try post("UPDATE counter SET value = :1 WHERE name = 'wait_id'", lastWaitID)
        }
        try connection.settle()
    }
}
