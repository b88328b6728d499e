// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Testing

@Suite("Waits are listed, filtered, sorted and forecast", .onEveryGround)
struct WaitListingTests {
    /// Forty waits with many equal keys: half without a deadline of their own, some of them time waits.
    private func fill(_ stage: Stage) async throws {
        let tasks = (0..<20).map { number -> TaskDefinition in
            let trigger: TriggerSpec = number % 3 == 0 ? .after(Int64(60 * (number % 4))) : .file("/\(number % 4)")
            return .sensor("s\(number)", trigger, timeout: .seconds(Int64(100 * (number % 5 + 1))))
        }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: tasks))
        _ = try await stage.trigger("d", runID: "one")
        stage.clock.advance(.seconds(10))
        _ = try await stage.trigger("d", runID: "two")
        for wait in try await stage.waits() where wait.waitID % 4 == 0 {
            _ = try await stage.store.write { try $0.moveDeadline(of: wait.waitID, .away) }
        }
    }

    private func pages(_ stage: Stage, _ filter: WaitFilter, of size: Int) async throws -> [WaitRow] {
        var filter = filter
        filter.limit = size
        var found: [WaitRow] = []
        while found.count < 10_000 {
            let page = try await stage.store.read { [filter] in try $0.waits(filter) }
            found += page
            guard page.count == size else { break }
            filter.after = page.last.map(WaitPlace.init)
        }
        return found
    }

    @Test("Of a DAG that has most of all waits all are listed, page by page, and of another one its own")
    func manyOfOne() async throws {
        let stage = try await Stage()
        func sensors(_ count: Int) -> [TaskDefinition] {
            (0..<count).map { .sensor("s\($0)", .file("/\($0)"), timeout: .seconds(1_000)) }
        }
        try await stage.deploy(
            DAGDefinition(dagID: "large", tasks: sensors(700)), DAGDefinition(dagID: "small", tasks: sensors(3)))
        for number in 0..<4 {
            _ = try await stage.trigger("large", runID: "r\(number)")
            _ = try await stage.trigger("small", runID: "r\(number)")
        }
        let all = try await pages(stage, WaitFilter(), of: 4_000)
        for (dagID, count) in [("large", 2_800), ("small", 12)] {
            var filter = WaitFilter()
            filter.dagID = dagID
            for isReversed in [false, true] {
                filter.isReversed = isReversed
                let found = try await pages(stage, filter, of: 1_500)
                let expected = all.filter { $0.key.dagID == dagID }
                #expect(found.count == count && found == (isReversed ? expected.reversed() : expected), "\(dagID)")
            }
        }
        var filter = WaitFilter()
        (filter.dagID, filter.kind) = ("large", "http")
        #expect(try await pages(stage, filter, of: 10).isEmpty)
    }

    @Test("Page by page comes everything, once and in order", arguments: WaitSort.allCases, [false, true])
    func paging(sort: WaitSort, isReversed: Bool) async throws {
        let stage = try await Stage()
        try await fill(stage)
        var filter = WaitFilter()
        filter.sort = sort
        filter.isReversed = isReversed
        func precedes(_ left: WaitRow, _ right: WaitRow) -> Bool {
            func compare<Key: Comparable>(_ left: Key, _ right: Key) -> Bool? {
                left == right ? nil : (left < right) != isReversed
            }
            func compare(_ left: Timestamp?, _ right: Timestamp?) -> Bool? {
                guard let left, let right else { return left == nil && right == nil ? nil : left != nil }
                return compare(left.microseconds, right.microseconds)
            }
            let byKey: Bool? =
                switch sort {
                case .id: nil
                case .since: compare(left.since, right.since)
                case .due: compare(left.due, right.due)
                case .deadline: compare(left.deadline, right.deadline)
                case .target: compare(left.target, right.target)
                }
            return byKey ?? ((left.waitID < right.waitID) != isReversed)
        }
        let expected = try await stage.waits().sorted(by: precedes).map(\.waitID)
        #expect(expected.count == 40)
        for size in [1, 3, 7, 40, 100] {
            #expect(try await pages(stage, filter, of: size).map(\.waitID) == expected, "pages of \(size)")
        }
    }

    @Test("Filters say what they say, together too")
    func filters() async throws {
        let stage = try await Stage()
        try await fill(stage)
        let all = try await stage.waits()
        func list(_ change: (inout WaitFilter) -> Void) async throws -> [Int64] {
            var filter = WaitFilter()
            change(&filter)
            return try await pages(stage, filter, of: 3).map(\.waitID)
        }
        func expected(_ test: (WaitRow) -> Bool) -> [Int64] { all.filter(test).map(\.waitID) }
        let now = stage.clock.now
        #expect(try await list { $0.registeredBefore = now } == expected { $0.key.runID == "one" })
        let soon = now + .seconds(120)
        #expect(
            try await list { $0.nextBy = soon }
                == expected { $0.due.map { $0 <= soon } ?? false || $0.deadline.map { $0 <= soon } ?? false })
        #expect(try await list { $0.taskID = "s4" } == expected { $0.key.taskID == "s4" })
        #expect(try await list { $0.taskID = "nope" }.isEmpty)
        #expect(
            try await list {
                $0.taskID = "s4"
                $0.dagID = "d"
                $0.runID = "two"
            }.count == 1)
    }

    @Test("A wait is the triggerer's that holds its shard")
    func owner() async throws {
        let stage = try await Stage()
        try await fill(stage)
        let first = stage.lease
        try await stage.store.write { transaction in
            let other = try transaction.registerTriggerer(
                ProcessIdentity(pid: 7, startTime: 1, bootID: "b", host: "other"), terms: TriggererTerms(),
                lease: .seconds(60))
            _ = try transaction.shareShards(other)
            let asked = try transaction.shareShards(first).asked
            #expect(asked.count == ShardKey.count / 2)
            try transaction.releaseShards(asked, of: first)
        }
        func targets(_ owner: String) async throws -> Set<String> {
            var filter = WaitFilter()
            filter.owner = owner
            return Set(try await pages(stage, filter, of: 5).map { "\($0.kind) \($0.target)" })
        }
        let all = Set(try await stage.waits().map { "\($0.kind) \($0.target)" })
        let others = try await targets("other:7")
        #expect(!others.isEmpty && others != all)
        #expect(try await targets("h:1") == all.subtracting(others))
        #expect(try await targets("nobody:1").isEmpty)
    }

    @Test("The forecast counts each wait once, where its first instant lies")
    func forecast() async throws {
        let stage = try await Stage()
        try await fill(stage)
        stage.clock.advance(.seconds(95))
        let all = try await stage.waits()
        let forecast = try await stage.store.read { try $0.forecast(within: .seconds(300), buckets: 7) }
        let now = stage.clock.now
        #expect(forecast.waits == 40 && forecast.asOf == now && forecast.buckets.count == 7)
        #expect(forecast.buckets.first?.from == now)
        for (bucket, next) in zip(forecast.buckets, forecast.buckets.dropFirst()) { #expect(bucket.to == next.from) }
        func first(_ wait: WaitRow) -> (at: Timestamp, isDue: Bool)? {
            if let due = wait.due, due <= wait.deadline ?? due { return (due, true) }
            return wait.deadline.map { ($0, false) }
        }
        for bucket in forecast.buckets {
            let inside = all.compactMap(first).filter { $0.at >= bucket.from && $0.at < bucket.to }
            #expect(bucket.due == inside.count { $0.isDue } && bucket.timeouts == inside.count { !$0.isDue })
        }
        let end = try #require(forecast.buckets.last?.to)
        #expect(forecast.overdue == all.compactMap(first).count { $0.at < now } && forecast.overdue > 0)
        #expect(forecast.later == all.compactMap(first).count { $0.at >= end } && forecast.later > 0)
        #expect(forecast.open == all.count { first($0) == nil } && forecast.open > 0)
        #expect(forecast.kinds.map(\.kind) == ["file", "time"] && forecast.kinds.map(\.count).reduce(0, +) == 40)
        #expect(forecast.oldest?.waitID == all.first?.waitID)
        #expect(Set(forecast.shared.map(\.target)) == ["/0", "/1", "/2", "/3"])
        for shared in forecast.shared {
            #expect(shared.count == all.count { $0.kind == "file" && $0.target == shared.target })
        }
        #expect(forecast.shared.map(\.count) == forecast.shared.map(\.count).sorted(by: >))
    }

    @Test("The forecast of nothing is empty")
    func nothing() async throws {
        let stage = try await Stage()
        let forecast = try await stage.store.read { try $0.forecast(within: .seconds(1), buckets: 1_000) }
        #expect(forecast.waits == 0 && forecast.oldest == nil && forecast.kinds.isEmpty && forecast.shared.isEmpty)
    }
}
