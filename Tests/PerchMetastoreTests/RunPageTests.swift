// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore

@Suite("Listing runs and instances a page at a time", .onEveryGround)
struct RunPageTests {
    private static func pages(_ stage: Stage, _ filter: RunFilter, of size: Int) async throws -> [RunRow] {
        var filter = filter
        filter.limit = size
        var found: [RunRow] = []
        for _ in 0..<100 {
            let page = filter
            let rows = try await stage.store.read { try $0.runs(page) }
            found += rows
            guard let last = rows.last, rows.count == size else { break }
            filter.after = RunPlace(runKey: last.runKey, logicalDate: last.logicalDate)
        }
        return found
    }

    @Test("The pages of a list are the list, of one DAG by date and of all by creation, also where dates are the same")
    func runs() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "a", tasks: [.code("x")]), DAGDefinition(dagID: "b", tasks: [.code("x")]))
        for number in 0..<20 {
            var request = RunRequest(dagID: number % 2 == 0 ? "a" : "b", runID: "r\(number)")
            request.logicalDate = stage.clock.now + .seconds(Int64(number % 3) * 3_600)
            let chosen = request
            _ = try await stage.store.write { try $0.createRun(chosen) }
        }
        let all = try await Self.pages(stage, RunFilter(), of: 3)
        #expect(all.map(\.runID) == (0..<20).reversed().map { "r\($0)" })
        let ofOne = try await Self.pages(stage, RunFilter(dagID: "a"), of: 3)
        let sorted = ofOne.sorted { ($0.logicalDate, $0.runKey) > ($1.logicalDate, $1.runKey) }
        #expect(ofOne.count == 10 && ofOne == sorted)
        var filter = RunFilter(dagID: "a")
        filter.state = .queued
        filter.type = .manual
        filter.from = stage.clock.now + .seconds(3_600)
        filter.to = stage.clock.now + .seconds(3_600)
        let chosen = try await Self.pages(stage, filter, of: 1)
        #expect(chosen == ofOne.filter { $0.logicalDate == filter.from } && !chosen.isEmpty)
        try stage.close()
    }

    @Test("Instances stand in the order of their tasks, mapped ones by number")
    func instances() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [
                    .code("list"), .code("each", after: [0]) { $0.mappedOver = 0 }, .sensor("wait", .file("/a")),
                ]))
        let run = try await stage.trigger("d")
        let list = try #require(try await stage.claim().first)
        try await stage.succeed(list, output: "[1,2,3]", items: ["1", "2", "3"])
        try await stage.advance()
        var found: [TaskInstanceKey] = []
        var after: (taskIndex: Int, mapIndex: Int)?
        for _ in 0..<100 {
            let place = after
            let rows = try await stage.store.read { try $0.taskInstances(of: run, after: place, limit: 2) }
            found += rows.map(\.key)
            guard let last = rows.last, rows.count == 2 else { break }
            after = (last.taskIndex, last.key.mapIndex)
        }
        let whole = try await stage.store.read { try $0.taskInstances(runKey: run.runKey) }
        #expect(found.count == 5 && found == whole.map(\.key))
        let waiting = try await stage.store.read {
            try $0.taskInstances(of: run, state: .deferred, after: nil, limit: 9)
        }
        #expect(waiting.map(\.key.taskID) == ["wait"])
        let each = try await stage.store.read { try $0.taskInstances(of: run, taskID: "each", after: nil, limit: 9) }
        #expect(each.map(\.key.mapIndex) == [0, 1, 2])
        #expect(
            try await stage.store.read { try $0.taskInstances(of: run, taskID: "no", after: nil, limit: 9) }.isEmpty)
        try stage.close()
    }
}
