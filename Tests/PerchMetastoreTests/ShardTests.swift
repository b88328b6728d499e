// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore

extension Stage {
    fileprivate func join(
        _ pid: Int32, queues: [String]? = nil, capacity: Int64 = 1_000_000, lease: TimeSpan = .seconds(60)
    ) async throws -> Int64 {
        try await store.write {
            try $0.registerTriggerer(
                ProcessIdentity(pid: pid, startTime: 1, bootID: "b", host: "h"),
                terms: TriggererTerms(queues: queues, capacity: capacity), lease: lease)
        }
    }

    fileprivate func share(_ owner: Int64) async throws -> ShardShare {
        try await store.write { try $0.shareShards(owner) }
    }

    /// All look, and hand over what they are asked for, until nothing changes any more. How many shards each holds.
    fileprivate func settle(_ owners: Int64...) async throws -> [Int] {
        var counts: [Int] = []
        for _ in 0..<20 {
            var now: [Int] = []
            for owner in owners {
                let share = try await share(owner)
                try await store.write { try $0.releaseShards(share.asked, of: owner) }
                now.append(try await self.share(owner).owned.count)
            }
            if now == counts { break }
            counts = now
        }
        return counts
    }
}

@Suite("Shards and those who hold them", .onEveryGround)
struct ShardTests {
    @Test("Triggerers share the shards of a queue in proportion to their capacities, whoever comes and goes")
    func shares() async throws {
        let stage = try await Stage()
        let second = try await stage.join(2)
        #expect(try await stage.settle(stage.lease, second) == [512, 512])
        let third = try await stage.join(3)
        #expect(try await stage.settle(stage.lease, second, third).sorted() == [341, 341, 342])
        let large = try await stage.join(4, capacity: 3_000_000)
        #expect(try await stage.settle(stage.lease, second, third, large) == [171, 170, 171, 512])
        for gone in [second, large] { try await stage.store.write { try $0.removeTriggerer(gone) } }
        let left = try await stage.settle(stage.lease, third)
        #expect(left.reduce(0, +) == 1_024)
        #expect(left.allSatisfy { $0 == 512 })
    }

    @Test("A shard is never two's, and one that is asked for stays its holder's until it is released")
    func exclusive() async throws {
        let stage = try await Stage()
        let second = try await stage.join(2)
        #expect(try await stage.share(second).owned.isEmpty)
        let before = try await stage.share(stage.lease)
        #expect(before.owned.count == 1_024)
        #expect(before.asked.count == 512)
        // Asked twice, it asks for no more.
        #expect(try await stage.share(second).owned.isEmpty)
        let owner = stage.lease
        #expect(try await stage.share(owner).asked == before.asked)
        try await stage.store.write { try $0.releaseShards(before.asked, of: owner) }
        #expect(try await stage.share(second).owned == before.asked)
        #expect(try await stage.share(owner).owned == before.owned.subtracting(before.asked))
        // A release that comes twice, or from one who has it no more, changes nothing.
        try await stage.store.write { try $0.releaseShards(before.asked, of: owner) }
        #expect(try await stage.share(second).owned == before.asked)
    }

    @Test("One whose lease has ended is taken whole: its shards are another's, and it can do nothing more")
    func leaseEnds() async throws {
        let stage = try await Stage()
        let second = try await stage.join(2, lease: .seconds(30))
        #expect(try await stage.settle(stage.lease, second) == [512, 512])
        stage.clock.advance(.seconds(29))
        #expect(try await stage.share(stage.lease).owned.count == 512)
        stage.clock.advance(.seconds(1))
        #expect(try await stage.share(stage.lease).owned.count == 1_024)
        await #expect(throws: PerchError.self) { try await stage.share(second) }
        #expect(try await stage.store.write { try $0.renewLease(second, lease: .seconds(30)) } == false)
        await #expect(throws: PerchError.self) { try await stage.store.write { try $0.checkLease(of: second) } }
        #expect(try await stage.store.read { try $0.triggerers() }.map(\.process.processID) == [stage.lease])
    }

    @Test("What a triggerer that stopped had promised another goes to whoever looks first")
    func promisedByTheDead() async throws {
        let stage = try await Stage()
        let second = try await stage.join(2)
        _ = try await stage.share(second)
        let owner = stage.lease
        try await stage.store.write { try $0.removeTriggerer(owner) }
        #expect(try await stage.share(second).owned.count == 1_024)
    }

    @Test("What the dead had asked for is not released to them")
    func wantedByTheDead() async throws {
        let stage = try await Stage()
        let second = try await stage.join(2)
        _ = try await stage.share(second)
        #expect(try await stage.share(stage.lease).asked.count == 512)
        try await stage.store.write { try $0.removeTriggerer(second) }
        let share = try await stage.share(stage.lease)
        #expect(share.asked.isEmpty)
        #expect(share.owned.count == 1_024)
    }

    @Test("One that is drained is asked for all that it has, takes nothing, and takes its share when it is undone")
    func drain() async throws {
        let stage = try await Stage()
        let second = try await stage.join(2)
        #expect(try await stage.settle(stage.lease, second) == [512, 512])
        #expect(try await stage.store.write { try $0.drainTriggerer(second, isDraining: true) })
        #expect(try await stage.settle(stage.lease, second) == [1_024, 0])
        #expect(try await stage.store.write { try $0.drainTriggerer(second, isDraining: false) })
        #expect(try await stage.settle(stage.lease, second) == [512, 512])
        #expect(try await stage.store.write { try $0.drainTriggerer(4_711, isDraining: true) } == false)
    }

    @Test("The shards of a queue are shared by those who serve it")
    func queues() async throws {
        let stage = try await Stage()
        let partners = try await stage.join(2, queues: ["partners"])
        #expect(try await stage.settle(stage.lease, partners) == [1_024, 0])
        var task = TaskDefinition.sensor("s", .file("/a"))
        task.queue = "partners"
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [task]))
        _ = try await stage.trigger("d")
        #expect(try await stage.store.read { try $0.waitQueues() } == ["default", "partners"])
        #expect(try await stage.settle(stage.lease, partners) == [1_536, 512])
        let held = try await stage.share(partners).owned
        #expect(held.queues == ["partners"])
        let wait = try #require(try await stage.waits().first)
        #expect(wait.queue == "partners")
        let owner = try await stage.store.read { try $0.owner(ofShard: wait.shard, queue: wait.queue) }
        #expect(owner?.pid == (held.contains(queue: "partners", shard: wait.shard) ? 2 : 1))
    }

    @Test("Waits of other shards are passed over, and a page says how far it looked")
    func reading() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: (0..<50).map { .sensor("s\($0)", .file("/\($0)")) }))
        _ = try await stage.trigger("d")
        let waits = try await stage.waits().sorted { $0.waitID < $1.waitID }
        var some = ShardSet()
        for wait in waits.prefix(5) { some.insert(queue: wait.queue, shard: wait.shard) }
        let shards = some
        let page = try await stage.store.read { try $0.waitsToArm(after: 0, of: shards, limit: 20) }
        #expect(page.last == waits[19].waitID)
        #expect(!page.isComplete)
        #expect(page.waits.map(\.waitID).starts(with: waits.prefix(5).map(\.waitID)))
        let rest = try await stage.store.read { try $0.waitsToArm(after: page.last, upTo: 30, of: shards, limit: 20) }
        #expect(rest.isComplete)
        #expect(rest.last == 30)
        let expected = waits.filter { some.contains(queue: $0.queue, shard: $0.shard) && $0.waitID <= 30 }
        #expect((page.waits + rest.waits).map(\.waitID) == expected.map(\.waitID))
    }

    @Test("A note about a wait stays until the holder of its shard has read it")
    func notes() async throws {
        let stage = try await Stage()
        let second = try await stage.join(2)
        #expect(try await stage.settle(stage.lease, second) == [512, 512])
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: (0..<40).map { .sensor("s\($0)", .file("/\($0)")) }))
        _ = try await stage.trigger("d")
        let waits = try await stage.waits()
        for wait in waits { #expect(try await stage.fire(wait.waitID, byHand: true)) }
        let first = try await stage.share(stage.lease).owned
        let owner = stage.lease
        try await stage.store.write { try $0.forgetWaitNotes(upTo: .max, of: owner) }
        let left = try await stage.store.read { try $0.waitNotes(after: 0, limit: 100) }
        #expect(!left.isEmpty && left.count < 40)
        #expect(left.allSatisfy { !first.contains(queue: $0.queue, shard: $0.shard) && $0.wait == nil })
    }

    @Test("A metastore that has to be migrated is not, while another process works on it")
    func migration() async throws {
        let site = try Site()
        try site.migrate()
        let member = try site.open(.member)
        // The schema is current: the engine may start beside it.
        let engine = try site.open(.engine)
        try await engine.write { _ = try $0.run("UPDATE meta SET value = '3' WHERE key = 'schema_version'") }
        try engine.close()
        #expect(throws: PerchError.self) {
            try site.open(.engine).close()
        }
        try member.close()
    }

    @Test("Processes of a home ring at one another, whoever came first")
    func neighbours() async throws {
        let site = try Site()
        let engine = try site.open(.engine)
        let member = try site.open(.member)
        let (rings, ringing) = AsyncStream<String>.makeStream()
        engine.doorbells.subscribe(.events) { _ in ringing.yield("engine") }
        member.doorbells.subscribe(.events) { _ in ringing.yield("member") }
        var heard: Set<String> = []
        _ = try await member.write { try $0.emit([NewEvent(name: "a")]) }
        for await name in rings where heard.insert(name).inserted && heard.count == 2 { break }
        heard = []
        _ = try await engine.write { try $0.emit([NewEvent(name: "b")]) }
        for await name in rings where heard.insert(name).inserted && heard.count == 2 { break }
        #expect(heard == ["engine", "member"])
        try member.close()
        try engine.close()
    }
}
