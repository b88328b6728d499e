// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchCLI

@Suite("Why something does not run, on the command line")
struct ExplainCommandTests {
    @Test("failed-deps says in sentences and in fields what a task waits for")
    func failedDeps() async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        var dag = DAGDefinition.code("orders", ("load", []), ("train", []), ("report", [0, 1]))
        dag.tasks[1].pool = "gpu"
        dag.tasks.append(
            TaskDefinition(
                taskID: "landed",
                kind: .sensor(SensorDefinition(trigger: TriggerSpec(kind: "file", target: "/data/in.csv")))))
        try await home.deploy(dag)
        try await home.trigger("orders", "r1")

        let report = try home.json("tasks", "failed-deps", "orders", "r1", "report")
        #expect(
            report.names == ["dag_id", "run_id", "task_id", "map_index", "states", "reasons", "untold"], "\(report)")
        let reason = try #require(report["reasons"]?.list.first)
        #expect(reason.names == ["kind", "text", "fields", "map_indexes", "count"])
        #expect(reason["kind"] == "upstream_pending" && reason["fields"]?["pending_count"] == 2)

        let pool = try home.program("tasks", "failed-deps", "orders", "r1", "train")
        #expect(pool.lines.first == "orders r1 train: 1 scheduled", "\(pool)")
        #expect(pool.output.contains("There is no pool 'gpu'") && pool.output.contains("'pools set gpu 1' makes it"))
        #expect(pool.output.contains("No engine is running"))
        let queued = try home.json("tasks", "failed-deps", "orders", "r1", "load")["reasons"]?.list
        #expect(queued?.map { $0["kind"] } == ["engine_not_running", "queued"])
        let waiting = try home.json("tasks", "failed-deps", "orders", "r1", "landed")["reasons"]?.list
        #expect(waiting?.map { $0["kind"] } == ["deferred", "not_watched"])
        #expect(waiting?[0]["fields"]?["live"] == false && waiting?[0]["fields"]?["explanation"]?.list.isEmpty == false)

        try home.refuses("did you mean 'orders'?", "tasks", "failed-deps", "order", "r1", "load")
        try home.refuses("has no run 'r2'", "tasks", "failed-deps", "orders", "r2", "load")
        try home.refuses("did you mean 'load'?", "tasks", "failed-deps", "orders", "r1", "lod")
        try home.refuses(
            "leave --map-index out", "tasks", "failed-deps", "orders", "r1", "load", "--map-index", "3")
    }

    @Test("runs explain tells the run, then its tasks, those of one reason together")
    func explain() async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        var dag = DAGDefinition.code("orders", ("a", []), ("b", []), ("c", []), ("d", []), ("e", [0, 1]))
        for index in 0..<4 { dag.tasks[index].pool = "gpu" }
        dag.maxActiveRuns = 1
        try await home.deploy(dag)
        try await home.trigger("orders", "r1")
        try await home.trigger("orders", "r2")
        let first = try home.json("runs", "explain", "orders", "r1")
        #expect(first.names == ["dag_id", "run_id", "state", "states", "reasons", "tasks", "untold"])
        #expect(first["states"] == ["none": 1, "scheduled": 4])
        #expect(first["reasons"]?.list.map { $0["kind"] } == ["engine_not_running"])
        let group = try #require(first["tasks"]?.list.first)
        #expect(group["kind"] == "pool_unknown" && group["count"] == 4 && group["instances"]?.list.count == 4)
        let text = try home.program("runs", "explain", "orders", "r1")
        #expect(text.lines.first == "Run r1 of orders is running: 1 none, 4 scheduled.", "\(text)")
        #expect(text.output.contains("a, b, c, d: There is no pool 'gpu'"))
        let second = try home.program("runs", "explain", "orders", "r2")
        #expect(second.output.contains("(max_active_runs), and 1 is under way: 'r1'."), "\(second)")
        #expect(
            try home.program("runs", "explain", "orders", "r2", "-o", "yaml").output.contains("kind: max_active_runs"))
        try home.refuses("has no run", "runs", "explain", "orders", "zzzz")
        #expect(try home.program("dags", "pause", "orders").code == 0)
        #expect(try home.program("runs", "explain", "orders", "r1").output.contains("is paused"))
    }

    @Test("of a mapped task every instance is told, or one by its index")
    func mapped() async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        var dag = DAGDefinition.code("orders", ("rows", []), ("load", [0]))
        dag.tasks[1].mappedOver = 0
        dag.tasks[1].inputs = [0]
        try await home.deploy(dag)
        try await home.trigger("orders", "r1")
        try await home.work { task in
            task.key.taskID == "rows"
                ? .success(output: "[1,2,3]", items: ["1", "2", "3"])
                : .failure(message: "number \(task.key.mapIndex)", retryable: false)
        }
        let all = try home.json("tasks", "failed-deps", "orders", "r1", "load")
        #expect(all["states"] == ["failed": 3] && all["reasons"]?.list.count == 3)
        let one = try home.program("tasks", "failed-deps", "orders", "r1", "load", "--map-index", "1")
        #expect(one.lines.count == 2 && one.lines[1].hasSuffix(": number 1."), "\(one)")
        try home.refuses(
            "3 elements, counted from 0", "tasks", "failed-deps", "orders", "r1", "load", "--map-index", "3")
        #expect(try home.program("tasks", "state", "orders", "r1", "load").output == "3 failed\n")
        #expect(try home.program("tasks", "state", "orders", "r1", "load", "--map-index", "2").output == "failed\n")
        #expect(try home.json("tasks", "state", "orders", "r1", "rows")["state"] == "success")
        try home.refusesUsage("counted from 0", "tasks", "state", "orders", "r1", "load", "--map-index=-1")
        #expect(try home.json("tasks", "states-for-dag-run", "orders", "r1").list.count == 4)
    }
}
