// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Synchronization

/// Takes transactions from any thread and commits them in groups, where its runner calls `commitNext`.
///
/// Members are isolated by savepoints: one that throws is rolled back alone. Nobody is answered and no doorbell rings
/// before the COMMIT has returned; if the COMMIT fails, every member of the group is told so and nothing has happened.
///
/// Unchecked, because every stored variable is guarded by `line` or confined to `commitNext`, which never runs twice at once.
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

    /// One that is no part of any group before a doorbell rings in one.
    private struct Standing: Sendable {
        var number: Int
        var bells: DoorbellSet
        var member: Member
    }

    private struct Line: Sendable {
        var waiting: [Member] = []
        var standing: [Standing] = []
        var stood = 0
        var isClosed = false

        mutating func takeStanding(for bells: DoorbellSet) -> [Member] {
            let taken = standing.filter { !$0.bells.isDisjoint(with: bells) }
            if !taken.isEmpty { standing.removeAll { !$0.bells.isDisjoint(with: bells) } }
            return taken.map(\.member)
        }
    }

    private let line = Mutex(Line())
    /// What was taken out of the line, and how far it is done.
    private var group: [Member] = []
    private var position = 0

    private let driver: any MetastoreDriver
    private let catalog: DAGCatalog
    private let clock: any PerchClock
    private let doorbells: @Sendable (DoorbellSet) -> Void
    private let ids = IDAllocator()
    private let runner: any MetastoreRunner
    private let meter: (any MetastoreMeter)?
    /// Of the group that is under way; kept only for the meter.
    private var tally = TransactionTally()

    init(
        driver: any MetastoreDriver, catalog: DAGCatalog, clock: any PerchClock, runner: any MetastoreRunner,
        meter: (any MetastoreMeter)? = nil, doorbells: @escaping @Sendable (DoorbellSet) -> Void
    ) {
        self.driver = driver
        self.catalog = catalog
        self.clock = clock
        self.runner = runner
        self.meter = meter
        self.doorbells = doorbells
    }

    func start() {
        runner.start { [self] in commitNext() }
    }

    /// Adds a member; false after `close`.
    func submit(_ member: Member) -> Bool {
        let (isTaken, isFirst) = line.withLock { line in
            guard !line.isClosed else { return (false, false) }
            line.waiting.append(member)
            return (true, line.waiting.count == 1)
        }
        if isFirst { runner.wakeWriter() }
        return isTaken
    }

    /// Adds a member to the next group that rings one of `bells`: it sees what that group has done, and has its COMMIT.
    /// Gives its number; nil after `close`.
    func stand(_ member: Member, for bells: DoorbellSet) -> Int? {
        line.withLock { line in
            guard !line.isClosed else { return nil }
            line.stood += 1
            line.standing.append(Standing(number: line.stood, bells: bells, member: member))
            return line.stood
        }
    }

    /// Takes a standing member back; false where its group has it, or it was refused.
    func withdraw(_ number: Int) -> Bool {
        line.withLock { line in
            guard let place = line.standing.firstIndex(where: { $0.number == number }) else { return false }
            line.standing.remove(at: place)
            return true
        }
    }

    /// Commits what waits, refuses what stands, and takes no more.
    func close() {
        line.withLock { $0.isClosed = true }
        runner.stop()
        let left = line.withLock { line in
            defer { line.standing = [] }
            return line.standing
        }
        for standing in left {
            standing.member.refuse(PerchError(.unavailable, "the metastore was closed before what this waits for"))
        }
    }

    /// Commits one group of what waits; false where nothing does.
    private func commitNext() -> Bool {
        if position == group.count {
            group = line.withLock { line in
                defer { line.waiting = [] }
                return line.waiting
            }
            position = 0
            if group.isEmpty { return false }
        }
        position = commitGroup(group, from: position)
        return true
    }

    /// How often a group is made that the database takes back because of others, before its members are told.
    private static let attempts = 10

    /// Runs members until the budget is spent, commits, tells them. Gives the position of the first one not run.
    private func commitGroup(_ members: [Member], from start: Int) -> Int {
        // Those that stood for a bell of this group, or of one that was taken back.
        var called: [Member] = []
        for _ in 1..<Self.attempts {
            if let next = commitGroup(members, from: start, &called, isLast: false) { return next }
        }
        return commitGroup(members, from: start, &called, isLast: true) ?? members.count
    }

    /// Nil where the group was taken back and may be made again, which the last attempt never says.
    private func commitGroup(_ members: [Member], from start: Int, _ called: inout [Member], isLast: Bool) -> Int? {
        var ends: [MemberEnd] = []
        var bells: DoorbellSet = []
        var position = start
        var calledEnds: [MemberEnd] = []
        var beganAt: Int64 = 0
        if meter != nil { tally = TransactionTally() }
        do {
            try driver.write { connection in
                if let meter { beganAt = meter.uptime }
                try connection.perform(.begin)
                do {
                    let begun = clock.now
                    let changesBefore = connection.totalChanges
                    while position < members.count {
                        let end = try runMember(
                            members[position], on: connection, bells: &bells, isFirst: ends.isEmpty)
                        ends.append(end)
                        position += 1
                        if connection.totalChanges - changesBefore >= Self.rowBudget { break }
                        if clock.now - begun >= Self.timeBudget { break }
                    }
                    for member in called { calledEnds.append(try runMember(member, on: connection, bells: &bells)) }
                    while !bells.isEmpty {
                        let next = line.withLock { $0.takeStanding(for: bells) }
                        if next.isEmpty { break }
                        called += next
                        for member in next { calledEnds.append(try runMember(member, on: connection, bells: &bells)) }
                    }
                    try connection.perform(.commit)
                } catch {
                    // The first error counts; where SQLite has rolled back by itself, there is nothing left to roll back.
                    try? connection.perform(.rollback)  // because it may have been rolled back already
                    ids.forgetBlock()
                    catalog.forget()
                    throw error
                }
            }
        } catch {
            let lost = error as? LostTransaction
            if lost != nil, !isLast { return nil }
            let error = lost?.cause ?? error
            meter?.commitFailed()
            for end in ends + calledEnds { end.afterCommit(error) }
            for member in called[calledEnds.count...] { member.refuse(error) }
            // The member that was under way, or all if the group could not begin.
            let refused = ends.isEmpty ? members.count : min(position + 1, members.count)
            for member in members[(start + ends.count)..<refused] { member.refuse(error) }
            return refused
        }
        let took = (meter?.uptime ?? 0) - beganAt
        // What stood for the group's news goes first: somebody waits for it, and need not be woken by the bell before.
        for end in calledEnds { end.afterCommit(nil) }
        doorbells(bells)
        for end in ends { end.afterCommit(nil) }
        // Nobody waits for the figures.
        meter?.committed(members: (calledEnds + ends).count { $0.isDone }, took: took, tally, now: clock.now)
        return position
    }

    /// - Parameter isFirst: Whether nothing has been written before it, so that it can be undone with the transaction.
    private func runMember(
        _ member: Member, on connection: any SQLConnection, bells: inout DoorbellSet, isFirst: Bool = false
    ) throws -> MemberEnd {
        if !isFirst { try connection.perform(.beginPart) }
        let transaction = Transaction(connection: connection, catalog: catalog, ids: ids, now: clock.now)
        if let meter, meter.wantsEnds { transaction.tally.isTraced = true }
        let end = member.run(transaction)
        if end.isDone {
            if !isFirst { try connection.perform(.endPart) }
            bells.subtract(transaction.answered)
            bells.formUnion(transaction.doorbells)
            if meter != nil { tally.add(transaction.tally) }
        } else {
            try connection.perform(isFirst ? .restart : .undoPart)
            ids.forgetBlock()
            catalog.forget()
        }
        return end
    }
}
