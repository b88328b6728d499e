// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Synchronization
import Testing

@testable import PerchMetastore

@Suite("A standing write is a member of the group that rings its bell", .timeLimit(.minutes(1)))
struct StandingWriteTests {
    private final class Commits: MetastoreMeter {
        let groups = Mutex<[Int]>([])
        let uptime: Int64 = 0

        func committed(members count: Int, took: Int64, _ tally: TransactionTally, now: Timestamp) {
            groups.withLock { $0.append(count) }
        }

        func commitFailed() {}
    }

    private struct Refusal: Error {}

    private let home: TemporaryHome
    private let commits = Commits()
    private let store: Metastore

    init() throws {
        home = try TemporaryHome()
        store = try Metastore.open(home: home.path, access: .engine, clock: ManualClock(), meter: commits)
    }

    private func emit(_ name: String) async throws {
        _ = try await store.write { try $0.emit([NewEvent(name: name, eventID: name)]) }
    }

    /// What a standing write answers, once.
    private func standing(
        _ bells: DoorbellSet, _ body: @escaping @Sendable (Transaction) throws -> Int64
    ) -> (StandingWrite, AsyncStream<Result<Int64, any Error>>) {
        let (answers, answer) = AsyncStream.makeStream(of: Result<Int64, any Error>.self)
        let write = store.write(onNext: bells, body) {
            answer.yield($0)
            answer.finish()
        }
        return (write, answers)
    }

    @Test("it sees what the group has done, and has its commit")
    func oneCommit() async throws {
        let (write, answers) = standing(.events) { try $0.lastEventSeq() }
        try await emit("a")
        for await answer in answers { #expect(try answer.get() == 1) }
        #expect(!write.withdraw())
        try store.close()
        #expect(commits.groups.withLock { $0 } == [2])
    }

    @Test("it comes once, and for its bell only; what it rings calls those that stand for that")
    func onceAndInChain() async throws {
        let (_, first) = standing(.queue) { transaction in
            transaction.ring(.cancels)
            return 1
        }
        let (_, second) = standing(.cancels) { _ in 2 }
        try await emit("a")
        try await store.write { $0.ring(.queue) }
        for await answer in first { #expect(try answer.get() == 1) }
        for await answer in second { #expect(try answer.get() == 2) }
        try await store.write { $0.ring(.queue) }
        try store.close()
        #expect(commits.groups.withLock { $0 } == [1, 3, 1])
    }

    @Test("what it answers rings no more, what rings after it does; it is told before any bell")
    func answersTheBell() async throws {
        let heard = Mutex<[String]>([])
        store.doorbells.subscribe([.queue, .cancels, .runs]) { bells in
            heard.withLock { $0.append("\(bells.rawValue)") }
        }
        let write = store.write(
            onNext: .queue,
            {
                $0.answer([.queue, .runs])
                $0.ring(.runs)
            }, answer: { _ in heard.withLock { $0.append("answer") } })
        try await store.write { $0.ring([.queue, .cancels]) }
        try await store.write { $0.ring(.queue) }
        try store.close()
        #expect(!write.withdraw())
        let told = DoorbellSet([.cancels, .runs]).rawValue
        #expect(heard.withLock { $0 } == ["answer", "\(told)", "\(DoorbellSet.queue.rawValue)"])
    }

    @Test("withdrawn it never comes")
    func withdrawn() async throws {
        let (write, answers) = standing(.events) { _ in 1 }
        #expect(write.withdraw())
        #expect(!write.withdraw())
        try await emit("a")
        try store.close()
        #expect(commits.groups.withLock { $0 } == [1])
        _ = answers
    }

    @Test("one that throws is undone alone")
    func undoneAlone() async throws {
        let (_, answers) = standing(.events) { transaction in
            _ = try transaction.emit([NewEvent(name: "b", eventID: "b")])
            throw Refusal()
        }
        try await emit("a")
        for await answer in answers { #expect(throws: Refusal.self) { try answer.get() } }
        #expect(try await store.read { try $0.events(after: 0, limit: 10).map(\.name) } == ["a"])
        try store.close()
    }

    @Test("where the group comes to nothing, every member of it is told so")
    func failedGroup() async throws {
        let (_, first) = standing(.events) { try $0.lastEventSeq() }
        let (_, second) = standing(.events) { transaction in
            try transaction.connection.perform(.rollback)
            return 2
        }
        await #expect(throws: PerchError.self) { try await emit("a") }
        for answers in [first, second] {
            for await answer in answers { #expect(throws: PerchError.self) { try answer.get() } }
        }
        #expect(try await store.read { try $0.events(after: 0, limit: 10).count } == 0)
        try await emit("b")
        try store.close()
    }

    @Test("a store that is closed refuses it")
    func closed() async throws {
        let (_, before) = standing(.events) { _ in 1 }
        try store.close()
        for await answer in before { #expect(throws: PerchError.self) { try answer.get() } }
        let (_, after) = standing(.events) { _ in 1 }
        for await answer in after { #expect(throws: PerchError.self) { try answer.get() } }
    }
}
