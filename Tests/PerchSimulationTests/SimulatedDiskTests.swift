// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchReactor
import PerchSDK
import PerchSimulation
import Testing

@Suite("The simulated disk")
struct SimulatedDiskTests {
    @Test("A reader stands on its snapshot while the writer commits beside it")
    func snapshot() throws {
        let table = try EntryTable(SimulatedDisk(seed: 1, template: EntryTable.template))
        try table.add(1)
        try table.driver.read { connection in
            func count() throws -> Int64 {
                var count: Int64 = -1
                try connection.query("SELECT COUNT(*) FROM entry", []) { count = $0.int64(0) }
                return count
            }
            #expect(try count() == 3)
            try table.add(2)
            #expect(try count() == 3)
            // A second reader, opened while the first is in use, stands on the new one.
            #expect(try table.groups() == [1, 2])
        }
        #expect(try table.groups() == [1, 2])
    }

    @Test("What is rolled back was never there, and the connection goes on")
    func rollback() throws {
        let table = try EntryTable(SimulatedDisk(seed: 1, template: EntryTable.template))
        struct Refusal: Error {}
        #expect(throws: Refusal.self) {
            try table.driver.write { connection in
                try connection.perform(.begin)
                try EntryTable.insert(1, bodyLength: 10, connection)
                try connection.perform(.rollback)
                throw Refusal()
            }
        }
        try table.add(2)
        #expect(try table.groups() == [2])
    }

    @Test("A kill keeps what was committed, synced or not; what was not committed is gone")
    func kill() throws {
        let disk = SimulatedDisk(seed: 1, template: EntryTable.template)
        let table = try EntryTable(disk)
        try table.driver.write { try $0.execute(script: "PRAGMA synchronous = OFF") }
        try table.add(1)
        #expect(throws: PerchError.self) {
            try table.driver.write { connection in
                // So small a cache that the log has pages of a transaction that never ends.
                try connection.execute(script: "PRAGMA cache_size = 5")
                try connection.perform(.begin)
                try EntryTable.insert(2, bodyLength: 100_000, connection)
                disk.kill(table.driver.process)
                try EntryTable.insert(3, bodyLength: 10, connection)
            }
        }
        let message = "the process of this metastore is dead"
        #expect { try table.groups() } throws: { "\($0)" == message }
        #expect { try table.add(4) } throws: { "\($0)" == message }
        let next = try EntryTable(disk)
        #expect(try next.groups() == [1])
        #expect(try next.damage() == [])
        // The dead one's connections are closed in any order, and that changes nothing.
        try table.driver.close()
        try next.add(5)
        #expect(try next.groups() == [1, 5])
        try next.driver.close()
        #expect(disk.counters.openFiles == 0)
        disk.settle()
        #expect(disk.image().files.map(\.name) == ["perch.db"])
    }

    @Test(
        "A COMMIT that returned survives power losses and kills at any write and sync, whole; the others are whole or gone"
    )
    func powerLoss() throws {
        var fates: [String: Int] = [:]
        for seed in 0..<500 as Range<UInt64> {
            var generator = LoopGenerator(seed: seed)
            let disk = SimulatedDisk(seed: seed, template: EntryTable.template)
            var acknowledged: [Int] = []
            var group = 0
            // Some crashes meet what the one before has left.
            for _ in 0..<generator.draw(1...4) {
                disk.crash(generator.draw(0...3) == 0 ? .kill : .powerLoss, atOperation: Int64(generator.draw(1...70)))
                var underWay: Int?
                let table = try EntryTable(disk)
                do {
                    try table.checkpoint(everyPages: generator.draw(2...40))
                    while generator.draw(0...20) > 0 {
                        group += 1
                        underWay = group
                        try table.add(group, bodyLength: generator.draw(1...9_000))
                        acknowledged.append(group)
                        underWay = nil
                    }
                    if generator.draw(0...1) == 0 { try table.driver.close() }
                    fates[table.driver.isDead ? "while closing" : "after transactions", default: 0] += 1
                    disk.losePower(using: &generator)
                } catch {
                    #expect("\(error)" == "the process of this metastore is dead", "seed \(seed)")
                    fates["in a transaction", default: 0] += 1
                }
                disk.disarm()
                try table.driver.close()
                let check = try EntryTable(disk)
                #expect(try check.damage() == [], "seed \(seed)")
                let found = try check.groups()
                if let underWay, found.last == underWay { acknowledged.append(underWay) }
                #expect(found == acknowledged, "seed \(seed)")
                // What a killed process had written and not synced is seen by the next one, and durable with its first
                // COMMIT: before that a power loss may still take it.
                group += 1
                try check.add(group)
                acknowledged.append(group)
                if generator.draw(0...1) == 0 { try check.driver.close() } else { disk.losePower(using: &generator) }
            }
        }
        #expect(fates.count == 3, "\(fates)")
        #expect(fates.values.allSatisfy { $0 >= 5 }, "\(fates)")
    }

    @Test("On a disk whose syncs lie, commits that returned are lost: the instrument sees it")
    func lying() throws {
        var lost = 0
        var broken = 0
        for seed in 0..<40 as Range<UInt64> {
            var generator = LoopGenerator(seed: seed)
            let disk = SimulatedDisk(seed: seed, template: EntryTable.template)
            disk.setLying(true)
            let table = try EntryTable(disk)
            try table.checkpoint(everyPages: 10)
            for group in 1...20 { try table.add(group, bodyLength: 3_000) }
            disk.losePower(using: &generator)
            disk.heal()
            do {
                let check = try EntryTable(disk)
                if try check.groups() != Array(1...20) { lost += 1 }
                if try !check.damage().isEmpty { broken += 1 }
            } catch let error as PerchError where error.code == .metastore {
                broken += 1
            }
        }
        #expect(lost >= 10)
        #expect(broken >= 1)
    }

    @Test("Without a sync at each COMMIT the last ones are lost, from one on, and nothing is damaged")
    func lazySyncs() throws {
        var lost = 0
        for seed in 0..<40 as Range<UInt64> {
            let disk = SimulatedDisk(seed: seed, template: EntryTable.template)
            let table = try EntryTable(disk)
            try table.driver.write { try $0.execute(script: "PRAGMA synchronous = NORMAL") }
            try table.checkpoint(everyPages: 100)
            // A commit that makes a checkpoint is synced with it: not every history ends with one.
            let count = 10 + Int(seed) % 10
            for group in 1...count { try table.add(group, bodyLength: 3_000) }
            disk.losePower(seed: seed)
            let check = try EntryTable(disk)
            let found = try check.groups()
            #expect(found == Array((1...count).prefix(found.count)))
            #expect(try check.damage() == [])
            if found.count < count { lost += 1 }
        }
        #expect(lost >= 10)
    }

    @Test("A COMMIT whose sync failed has happened for nobody, but may have happened, whole, after a crash")
    func doubtfulCommit() throws {
        var returned = 0
        for seed in 0..<40 as Range<UInt64> {
            let disk = SimulatedDisk(seed: seed, template: EntryTable.template)
            let table = try EntryTable(disk)
            try table.add(1)
            disk.fail(.sync)
            #expect(throws: PerchError.self) { try table.add(2) }
            #expect(try table.groups() == [1])
            if seed % 2 == 0 { disk.kill(table.driver.process) } else { disk.losePower(seed: seed) }
            let found = try EntryTable(disk).groups()
            #expect(found == [1] || found == [1, 2])
            if found == [1, 2] { returned += 1 }
        }
        // SQLite's log is what it is: who is told of an I/O error must read again after a crash.
        #expect(returned > 0)
    }

    @Test("A full disk refuses, loses nothing, and takes more once there is room")
    func full() throws {
        let disk = SimulatedDisk(seed: 1, template: EntryTable.template)
        let table = try EntryTable(disk)
        try table.add(1)
        disk.setRoom(10_000)
        var refused = 0
        for group in 2...9 {
            do {
                try table.add(group, bodyLength: 3_000)
            } catch {
                #expect("\(error)".contains("the disk of the metastore is full"))
                refused += 1
            }
        }
        #expect(refused == 8)
        #expect(try table.groups() == [1])
        disk.setRoom(nil)
        try table.add(10)
        disk.losePower(seed: 3)
        let next = try EntryTable(disk)
        #expect(try next.groups() == [1, 10])
        #expect(try next.damage() == [])
    }

    @Test("A write, sync or read that fails undoes its transaction alone, even where the power goes afterwards")
    func inputOutputErrors() throws {
        var failures = 0
        for seed in 0..<200 as Range<UInt64> {
            var generator = LoopGenerator(seed: seed)
            let disk = SimulatedDisk(seed: seed, template: EntryTable.template)
            var acknowledged: [Int] = []
            var doubtful: Set<Int> = []
            let table = try EntryTable(disk)
            try table.checkpoint(everyPages: generator.draw(2...40))
            for group in 1...30 {
                if generator.draw(0...5) == 0 {
                    let operation = SimulatedDisk.Operation.allCases[generator.draw(0...2)]
                    disk.fail(operation, after: Int64(generator.draw(0...6)), count: Int64(generator.draw(1...3)))
                }
                do {
                    try table.add(group, bodyLength: generator.draw(1...9_000))
                    acknowledged.append(group)
                } catch {
                    #expect("\(error)".contains("cannot be read or written"), "seed \(seed)")
                    doubtful.insert(group)
                    failures += 1
                }
            }
            disk.heal()
            #expect(try table.groups() == acknowledged, "seed \(seed)")
            disk.losePower(using: &generator)
            let next = try EntryTable(disk)
            #expect(try next.damage() == [], "seed \(seed)")
            // A log whose last sync failed may hold a whole transaction that nobody was told of.
            #expect(try next.groups().filter { !doubtful.contains($0) } == acknowledged, "seed \(seed)")
        }
        #expect(failures > 200)
    }

    @Test("Two processes share a disk; when one is killed while it writes, the other goes on at once")
    func twoProcesses() throws {
        let disk = SimulatedDisk(seed: 1, template: EntryTable.template)
        let one = try EntryTable(disk)
        let other = try EntryTable(disk)
        try one.add(1)
        try other.add(2)
        #expect(try one.groups() == [1, 2])
        #expect(throws: PerchError.self) {
            try one.driver.write { connection in
                try connection.execute(script: "PRAGMA cache_size = 5")
                try connection.perform(.begin)
                try EntryTable.insert(3, bodyLength: 100_000, connection)
                #expect { try other.add(4) } throws: { "\($0)".contains("locked by another process") }
                #expect(try other.groups() == [1, 2])
                disk.kill(one.driver.process)
                try EntryTable.insert(5, bodyLength: 10, connection)
            }
        }
        try other.add(6)
        #expect(try other.groups() == [1, 2, 6])
        try one.driver.close()
        try other.add(7)
        let third = try EntryTable(disk)
        #expect(try third.groups() == [1, 2, 6, 7])
        #expect(try third.damage() == [])
    }

    @Test(
        "Of two processes one is killed in the middle of its writes, a hundred times over, and the other sees no half of it"
    )
    func killedBesideAnother() throws {
        for seed in 0..<100 as Range<UInt64> {
            var generator = LoopGenerator(seed: seed)
            let disk = SimulatedDisk(seed: seed, template: EntryTable.template)
            let survivor = try EntryTable(disk)
            try survivor.checkpoint(everyPages: generator.draw(3...60))
            var acknowledged: [Int] = []
            var group = 0
            for _ in 0..<5 {
                let victim = try EntryTable(disk)
                try victim.checkpoint(everyPages: generator.draw(3...60))
                disk.crash(.kill, atOperation: Int64(generator.draw(1...30)))
                var underWay: Int?
                while !victim.driver.isDead {
                    group += 1
                    do {
                        try victim.add(group, bodyLength: generator.draw(1...9_000))
                        acknowledged.append(group)
                    } catch {
                        underWay = group
                    }
                }
                let found = try survivor.groups()
                if let underWay, found.last == underWay { acknowledged.append(underWay) }
                #expect(found == acknowledged, "seed \(seed)")
                group += 1
                try survivor.add(group)
                acknowledged.append(group)
                #expect(try survivor.groups() == acknowledged, "seed \(seed)")
                #expect(try survivor.damage() == [], "seed \(seed)")
            }
        }
    }

    @Test("The same seed gives the same bytes, the same crashes and the same counts")
    func determinism() throws {
        func history(_ seed: UInt64) throws -> ([DiskImage], SimulatedDisk.Counters) {
            var generator = LoopGenerator(seed: seed)
            let disk = SimulatedDisk(seed: seed, template: EntryTable.template)
            var images: [DiskImage] = []
            for round in 0..<10 {
                disk.crash(round % 3 == 0 ? .kill : .powerLoss, atOperation: Int64(generator.draw(5...60)))
                do {
                    let table = try EntryTable(disk)
                    try table.checkpoint(everyPages: 20)
                    for group in 1...1_000 {
                        try table.add(round * 1_000 + group, bodyLength: generator.draw(1...9_000))
                    }
                } catch {
                    images.append(disk.image().withoutSalts)
                }
            }
            return (images, disk.counters)
        }
        for seed in 0..<10 as Range<UInt64> {
            let (first, again) = (try history(seed), try history(seed))
            #expect(first.0 == again.0)
            #expect(first.1 == again.1)
            #expect(first.0.count == 10)
        }
        #expect(try history(1).0 != history(2).0)
    }

    @Test("Hooks stand on both sides of a COMMIT, and a crash there leaves nothing or all of it")
    func hooks() throws {
        struct Hold: Error {}
        let disk = SimulatedDisk(seed: 1, template: EntryTable.template)
        let before = try EntryTable(SimulatedDriver(disk: disk, hooks: DriverHooks(beforeCommit: { throw Hold() })))
        #expect(throws: Hold.self) { try before.add(1) }
        #expect(try before.groups() == [])
        try before.driver.close()
        let process = disk.spawn()
        let after = try EntryTable(
            SimulatedDriver(disk: disk, process: process, hooks: DriverHooks(afterCommit: { disk.losePower(seed: 0) })))
        #expect { try after.add(2) } throws: { "\($0)" == "the process of this metastore is dead" }
        #expect(try EntryTable(disk).groups() == [2])
    }

    @Test("A copy is made beside the metastore, on the same disk")
    func backup() throws {
        let disk = SimulatedDisk(seed: 1, template: EntryTable.template)
        let table = try EntryTable(disk)
        try table.add(1)
        try table.driver.backup(to: "copy.db")
        #expect(disk.image()["copy.db"]?.isEmpty == false)
    }
}
