// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchCLI

@Suite("Commands on DAGs")
struct DAGCommandTests {
    @Test("dags show draws a graph in every form, with a run's states where one is named")
    func show() async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        try await home.deploy(.code("orders", ("load", []), ("check", [0]), ("report", [0, 1])))
        try await home.trigger("orders", "r1")
        #expect(
            try home.program("dags", "show", "orders").lines == [
                "● load  closure", "↳ ● check  closure", "↳ ● report  closure  also after load",
            ])
        let states = try home.program("dags", "show", "orders", "--run", "r1").lines
        #expect(states[0] == "● load  closure  queued" && states[2].hasSuffix("  none"), "\(states)")
        #expect(try home.program("dags", "show", "orders", "-o", "dot").output.hasPrefix("digraph \"orders\" {\n"))
        let svg = try home.program("dags", "show", "orders", "-o", "svg", "--run", "r1").output
        #expect(svg.hasPrefix("<svg ") && svg.contains("fill=\"gray\"") && svg.hasSuffix("</svg>\n"))
        let graph = try home.json("dags", "show", "orders", "--run", "r1")
        #expect(graph["nodes"]?.list.map { $0["state"] } == ["queued", "none", "none"])
        #expect(
            graph["edges"]?.list.count == 3 && graph["edges"]?.list[0].names == ["from", "to", "is_input", "outputs"])
        try home.refuses("did you mean", "dags", "show", "ordes")
        try home.refuses("has no run 'r2'", "dags", "show", "orders", "--run", "r2")
        try home.refuses("has no version 7; there are 1", "dags", "show", "orders", "--version", "7")
        try home.refusesUsage("'text', 'dot'", "dags", "show", "orders", "-o", "png")
    }

    @Test("runs are listed and chosen by state, type and date; a DAG's state is its newest run's")
    func runs() async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        try await home.deploy(.code("orders", ("load", [])))
        try home.refuses("has no run", "dags", "state", "orders")
        try await home.engine { store in
            try await store.write { transaction in
                for day in 1...3 {
                    var request = RunRequest(dagID: "orders", runID: "day\(day)", type: .scheduled)
                    request.logicalDate = try Timestamp(parsing: "2026-01-0\(day)")
                    _ = try transaction.createRun(request)
                }
            }
            while try await store.write({ try $0.advanceRuns(budget: 1_000) }) {}
        }
        try await home.work {
            $0.key.runID == "day2" ? .failure(message: "no", retryable: false) : .success(output: "null", items: nil)
        }
        func ids(_ arguments: String...) throws -> [JSONValue?] {
            let outcome = try home.program.run(["dags", "list-runs", "orders", "-o", "json"] + arguments)
            #expect(outcome.code == 0, "\(outcome)")
            return try JSONValue(parsing: outcome.output).list.map { $0["run_id"] }
        }
        #expect(try ids() == ["day3", "day2", "day1"])
        #expect(try ids("--state", "failed") == ["day2"])
        #expect(try ids("--from", "2026-01-02", "--limit", "1") == ["day3"])
        #expect(try ids("--to", "2026-01-02T00:00:00Z") == ["day2", "day1"])
        #expect(try ids("--type", "manual").isEmpty)
        #expect(try home.program("dags", "state", "orders").output == "success\n")
        #expect(try home.program("dags", "state", "orders", "2026-01-02").output == "failed\n")
        #expect(try home.json("dags", "state", "orders", "day2")["run_id"] == "day2")
        try home.refuses("no run of the logical date", "dags", "state", "orders", "2026-02-01")
        try home.refusesUsage("--from", "dags", "list-runs", "orders", "--from", "soon")
        try home.refusesUsage("after --to", "dags", "list-runs", "orders", "--from", "2026-01-02", "--to", "2026-01-01")

        let report = try home.json("dags", "report").list
        #expect(report.count == 1 && report[0]["runs"] == 3 && report[0]["success"] == 2 && report[0]["failed"] == 1)
        #expect(
            report[0].names == [
                "dag_id", "runs", "queued", "running", "success", "failed", "duration_p50", "duration_p95",
                "duration_max", "mean_wait", "last_run_id", "last_state", "last_start",
            ])
        #expect(try home.json("dags", "report", "orders", "--within", "0s").list[0]["runs"] == 0)
        try home.refusesUsage("--within", "dags", "report", "--within", "x")
    }

    @Test("a changed DAG is a new version; a run keeps its own, and what left shows as removed")
    func versions() async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        try await home.deploy(.code("orders", ("load", []), ("check", [0]), ("report", [1])))
        try await home.trigger("orders", "r1")
        try home.refuses("nothing to compare", "dags", "diff", "orders")
        var second = DAGDefinition.code("orders", ("load", []), ("report", [0]), ("tell", [1]))
        second.tasks[0].retries = 3
        second.tasks[0].retryDelay = .seconds(60)
        second.description = "new"
        try await home.deploy(second, bundleVersion: "2")
        let versions = try home.json("dags", "versions", "orders").list
        #expect(versions.map { $0["version"] } == [2, 1] && versions.map { $0["runs"] } == [0, 1])
        #expect(versions[0]["changes"] == 9 && versions[1]["changes"] == .null && versions[0]["is_newest"] == true)
        #expect(
            try home.program("dags", "diff", "orders").lines == [
                "~ dag, description: (default) -> new", "- task check", "+ task tell",
                "~ task load, retries: (default) -> 3", "~ task load, retry_delay: (default) -> 1m",
                "- edge load -> check", "- edge check -> report", "+ edge load -> report", "+ edge report -> tell",
            ])
        let back = try home.json("dags", "diff", "orders", "2", "1").list
        #expect(back.count == 9 && back[0].names == ["kind", "task_id", "upstream_id", "field", "old", "new"])
        #expect(try home.json("dags", "diff", "orders", "--run", "r1").list.count == 9)
        #expect(try home.program("dags", "diff", "orders", "2", "2").errors.contains("do not differ"))
        try home.refuses("has no version 9", "dags", "diff", "orders", "9")
        try home.refusesUsage("counted from 1", "dags", "diff", "orders", "0")
        let states = try home.json("tasks", "states", "orders", "r1", "--newest").list
        #expect(states.map { $0["state"] } == ["queued", "removed", "none"])
        #expect(states[1]["message"] == "it is not in version 2 of the DAG; in this run: none")
        #expect(
            try home.json("tasks", "states", "orders", "r1").list.map { $0["state"] } == ["queued", "none", "none"])
        #expect(try home.program("dags", "show", "orders", "--version", "1").lines.count == 3)
    }

    @Test("a DAG is deleted with what it has; one that the bundle has, or without an answer, is not")
    func delete() async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        var dag = DAGDefinition.code("orders", ("load", []))
        dag.tasks.append(
            TaskDefinition(
                taskID: "landed", kind: .sensor(SensorDefinition(trigger: TriggerSpec(kind: "file", target: "/x")))))
        try await home.deploy(dag, .code("other", ("a", [])))
        try await home.trigger("orders", "r1")
        try await home.trigger("orders", "r2")
        try await home.trigger("other", "r1")
        try home.refuses("the bundle still has", "dags", "delete", "orders", "-y")
        try home.refusesUsage("give -y", "dags", "delete", "orders", "--force")
        try home.refuses("did you mean 'orders'", "dags", "delete", "order", "-y")
        let outcome = try home.program("dags", "delete", "orders", "--force", "-y")
        #expect(outcome.code == 0 && outcome.output == "orders is deleted: 2 runs and 1 version\n", "\(outcome)")
        #expect(try home.json("dags", "list", "--all").list.map { $0["dag_id"] } == ["other"])
        #expect(try home.json("deferred", "list").list.isEmpty)
        #expect(try home.program("db", "check").lines == ["the metastore is sound"])
        try await home.deploy(dag)
        #expect(try home.json("dags", "versions", "orders").list.map { $0["version"] } == [1])
        #expect(try home.json("dags", "list-runs", "orders").list.isEmpty)
    }

    @Test("what an engine has to clean up first keeps a DAG until it has")
    func deleteRunning() async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        try await home.deploy(.code("orders", ("load", [])))
        try await home.trigger("orders", "r1")
        let task = try await home.engine { store in
            try await store.write { transaction in
                let worker = try transaction.registerProcess(
                    role: "worker", pid: 1, startTime: 1, bootID: "b", host: "h", lease: .seconds(60))
                return try transaction.claim(limit: 1, worker: worker)
            }
        }
        try await home.engine { store in
            try await store.write { try $0.storeDAGs([], bundle: "default", bundleVersion: "2") }
        }
        let outcome = try home.program("dags", "delete", "orders", "-y")
        #expect(outcome.code == 1 && outcome.errors.contains("tasks of r1 still clean up"), "\(outcome)")
        try await home.engine { store in
            let report = TaskReport(
                taskInstanceID: task[0].taskInstanceID, dispatchID: task[0].dispatchID, outcome: .cancelled)
            _ = try await store.write { try $0.finish([report]) }
        }
        #expect(try home.program("dags", "delete", "orders", "-y").code == 0)
        #expect(try home.program("db", "check").lines == ["the metastore is sound"])
    }
}
