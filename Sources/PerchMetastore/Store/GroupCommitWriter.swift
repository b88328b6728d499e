// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK

/// Takes transactions from any thread and commits them in groups, on a thread of its own.
///
/// Members are isolated by savepoints: one that throws is rolled back alone. Nobody is answered and no doorbell rings
/// before the COMMIT has returned; if the COMMIT fails, every member of the group is told so and nothing has happened.
///
/// Unchecked, because every stored variable is guarded by `condition` or confined to the thread.
final class GroupCommitWriter: @unchecked Sendable {
    /// One transaction that waits for its turn.
    struct Member: Sendable {
        /// Runs the body; gives what is to be done once the group is committed (or has failed with the error).
        var run: @Sendable (Transaction) -> MemberEnd
        /// Told instead of `run` where the group could not even begin.
        var refuse: @Sendable (any Error) -> Void
    }

    /// How a member's body ended.
    struct MemberEnd {
        var isDone: Bool
        var afterCommit: ((any Error)?) -> Void
    }

    /// A group ends at so many row changes or so much time, whichever comes first.
    private static let rowBudget = 5_000
    private static let timeBudget = TimeSpan(microseconds: 20_000)

    private let condition = NSCondition()
    private var waiting: [Member] = []
    private var isClosed = false
    private var thread: Thread?

    private let driver: SQLiteDriver
    private let catalog: DAGCatalog
    private let clock: any PerchClock
    private let doorbells: @Sendable (DoorbellSet) -> Void
    private let ids = IDAllocator()
    private let finished = DispatchSemaphore(value: 0)

    init(
        driver: SQLiteDriver, catalog: DAGCatalog, clock: any PerchClock,
        doorbells: @escaping @Sendable (DoorbellSet) -> Void
    ) {
        self.driver = driver
        self.catalog = catalog
        self.clock = clock
        self.doorbells = doorbells
    }

    func start() {
        let thread = Thread { [self] in work() }
        thread.name = "perch-writer"
        thread.stackSize = 1 << 20
        self.thread = thread
        thread.start()
    }

    /// Adds a member; false after `close`.
    func submit(_ member: Member) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        guard !isClosed else { return false }
        waiting.append(member)
        if waiting.count == 1 { condition.signal() }
        return true
    }

    /// Commits what waits, then ends the thread.
    func close() {
        condition.lock()
        let wasClosed = isClosed
        isClosed = true
        condition.signal()
        condition.unlock()
        if !wasClosed, thread != nil { finished.wait() }
    }

    private func work() {
        var group: [Member] = []
        var position = 0
        while true {
            if position == group.count {
                condition.lock()
                while waiting.isEmpty, !isClosed { condition.wait() }
                group = waiting
                waiting = []
                let isOver = isClosed && group.isEmpty
                condition.unlock()
                position = 0
                if isOver { break }
            }
            position = commitGroup(group, from: position)
        }
        finished.signal()
    }

    /// Runs members until the budget is spent, commits, tells them. Gives the position of the first one not run.
    private func commitGroup(_ members: [Member], from start: Int) -> Int {
        var ends: [MemberEnd] = []
        var bells: DoorbellSet = []
        var position = start
        do {
            try driver.write { connection in
                try connection.execute(script: "BEGIN IMMEDIATE")
                do {
                    let begun = clock.now
                    let changesBefore = connection.totalChanges
                    while position < members.count {
                        let end = try runMember(members[position], on: connection, bells: &bells)
                        ends.append(end)
                        position += 1
                        if connection.totalChanges - changesBefore >= Self.rowBudget { break }
                        if clock.now - begun >= Self.timeBudget { break }
                    }
                    try connection.execute(script: "COMMIT")
                } catch {
                    // The first error counts; where SQLite has rolled back by itself, there is nothing left to roll back.
                    try? connection.execute(script: "ROLLBACK")  // because it may have been rolled back already
                    ids.forgetBlock()
                    catalog.forget()
                    throw error
                }
            }
        } catch {
            for end in ends { end.afterCommit(error) }
            // The member that was under way, or all if the group could not begin.
            let refused = ends.isEmpty ? members.count : min(position + 1, members.count)
            for member in members[(start + ends.count)..<refused] { member.refuse(error) }
            return refused
        }
        doorbells(bells)
        for end in ends { end.afterCommit(nil) }
        return position
    }

    private func runMember(
        _ member: Member, on connection: SQLiteConnection, bells: inout DoorbellSet
    ) throws -> MemberEnd {
        try connection.execute(script: "SAVEPOINT member")
        let transaction = Transaction(connection: connection, catalog: catalog, ids: ids, now: clock.now)
        let end = member.run(transaction)
        if end.isDone {
            try connection.execute(script: "RELEASE member")
            bells.formUnion(transaction.doorbells)
        } else {
            try connection.execute(script: "ROLLBACK TO member; RELEASE member")
            ids.forgetBlock()
            catalog.forget()
        }
        return end
    }
}
