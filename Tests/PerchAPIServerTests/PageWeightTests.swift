// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("The weight of pages", .timeLimit(.minutes(3)))
struct PageWeightTests {
    /// A DAG of groups, each of tasks one after the other, each group after the one before.
    private static func large(_ groups: Int, _ size: Int) -> DAGDefinition {
        var tasks: [TaskDefinition] = []
        for group in 0..<groups {
            for number in 0..<size {
                var task = TaskDefinition(
                    taskID: "part_\(group).a_task_with_a_name_\(number)", kind: .empty,
                    upstream: tasks.isEmpty ? [] : [tasks.count - 1])
                task.group = "part_\(group)"
                task.outlets = ["s3://a-bucket-with-a-name/and/a/place/part_\(group)_\(number)"]
                tasks.append(task)
            }
        }
        return DAGDefinition(dagID: "large", tasks: tasks)
    }

    @Test("Pages stay below 150 KB with a thousand DAGs and thousands of tasks, also where every group is opened")
    func large() async throws {
        let bench = RESTBench(of: try await APIBench())
        let dags =
            (0..<1_000).map { number in
                var dag = DAGDefinition(
                    dagID: "a_team_with_a_long_name_report_\(number)",
                    tasks: [TaskDefinition(taskID: "a", kind: .empty)])
                dag.description = String(repeating: "It says much of itself. ", count: 20)
                dag.tags = (0..<20).map { "tag_\(number % 7)_\($0)" }
                return dag
            } + [Self.large(40, 25)]
        try await bench.api.metastore.write { transaction in
            try transaction.storeDAGs(dags, bundle: "default", bundleVersion: "1")
        }
        let runs = 8
        try await bench.api.metastore.write { transaction in
            for number in 0..<runs { _ = try transaction.createRun(RunRequest(dagID: "large", runID: "run_\(number)")) }
        }
        for _ in 0..<200 { try await bench.advance() }
        let opened = (0..<40).map { "turn=part_\($0)" }.joined(separator: "&")
        for path in [
            "/", "/dags", "/dags?page=40", "/dags/large", "/dags/large?\(opened)", "/dags/large?row=500&\(opened)",
            "/dags/large/graph", "/dags/large/graph?\(opened)", "/dags/large/details", "/dags/large/runs",
            "/dags/large/versions", "/dags/large/definition", "/assets", "/assets/graph", "/assets/graph?around=large",
            "/deferred", "/backfills", "/dags/large/calendar", "/dags/large/runs/run_0", "/dags/large/runs/run_0/gantt",
            "/runs", "/tasks",
        ] {
            let answer = try await bench.page(path)
            #expect(answer.status == 200 && answer.body.utf8.count < 150_000, "\(path): \(answer.body.utf8.count)")
            let check = MarkupCheck(answer.body)
            #expect(check.faults.isEmpty, "\(path): \(check.faults)")
        }
        let grid = try await bench.page("/dags/large")
        #expect(grid.body.contains("▸ part_0") && !grid.body.contains("a_task_with_a_name_3"))
        let page = try await bench.page("/dags/large?\(opened)")
        #expect(page.body.contains("a_task_with_a_name_3") && page.body.contains("Rows 1–50 of 1040"))
        let files = StaticFile.all.reduce(0) { $0 + $1.text.utf8.count }
        #expect(files < 40_000)
        try await bench.end()
    }

    @Test("What takes long to count is counted once however many ask, and kept for a while")
    func figures() async throws {
        let shelf = FigureShelf()
        let clock = SetClock(Timestamp(microseconds: 1_000_000))
        let counter = Counter()
        func ask() async throws -> Int {
            try await shelf.figure("a", clock: clock, age: .seconds(10)) { await counter.next() }.figure
        }
        #expect(try await ask() == 1)
        clock.now = Timestamp(microseconds: 10_000_000)
        #expect(try await ask() == 1)
        clock.now = Timestamp(microseconds: 11_000_000)
        #expect(try await ask() == 2)
        clock.now = Timestamp(microseconds: 30_000_000)
        let failed = try? await shelf.figure("b", clock: clock, age: .seconds(10)) { () -> Int in
            throw PerchError(.unavailable, "not now")
        }  // because what is looked at is that it fails
        #expect(failed == nil)
        #expect(try await shelf.figure("b", clock: clock, age: .seconds(10)) { 7 }.figure == 7)
    }

    private actor Counter {
        private var count = 0
        func next() -> Int {
            count += 1
            return count
        }
    }
}
