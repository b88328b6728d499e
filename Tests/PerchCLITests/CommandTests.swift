// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchCLI

/// A home with a DAG `orders` of two sensors, and one run of it that waits.
private struct WaitingHome {
    let folder: Folder
    let program: Program

    init() async throws {
        folder = try Folder()
        program = Program("perch", environment: ["PERCH_HOME": folder.path])
        let metastore = try Metastore.open(home: folder.path, access: .engine, clock: SystemClock())
        var definition = DAGDefinition(dagID: "orders", schedule: .cron(expression: "0 6 * * *", timeZone: "UTC"))
        definition.description = "with a\ttab"
        definition.tasks = [
            TaskDefinition(
                taskID: "soon", kind: .sensor(SensorDefinition(trigger: .time(.after(.seconds(3600)))))),
            TaskDefinition(
                taskID: "landed",
                kind: .sensor(
                    SensorDefinition(trigger: TriggerSpec(kind: "file", target: "/data/in.csv"), timeout: .seconds(60)))
            ),
            TaskDefinition(taskID: "load", kind: .code(operatorName: "closure"), upstream: [0, 1]),
        ]
        let dag = definition
        try await metastore.write { transaction in
            try transaction.storeDAGs([dag], bundle: "default", bundleVersion: "1")
            _ = try transaction.createRun(RunRequest(dagID: "orders", runID: "first", params: ["x": 1]))
            while try transaction.advanceRuns(budget: 1000) {}
        }
        try metastore.close()
    }

    func json(_ arguments: String...) throws -> JSONValue {
        let outcome = try program.run(arguments + ["-o", "json"])
        #expect(outcome.code == 0, "\(outcome)")
        return try JSONValue(parsing: outcome.output)
    }
}

extension JSONValue {
    fileprivate var elements: [JSONValue] { if case .array(let elements) = self { elements } else { [] } }
    fileprivate var keys: Set<String> { if case .object(let members) = self { Set(members.keys) } else { [] } }
}

@Suite("Commands on a home")
struct CommandTests {
    @Test("deferred list gives every field of every wait")
    func deferredList() async throws {
        let home = try await WaitingHome()
        defer { home.folder.remove() }
        let waits = try home.json("deferred", "list").elements
        #expect(waits.count == 2)
        for wait in waits {
            #expect(
                wait.keys == [
                    "wait_id", "dag_id", "run_id", "task_id", "map_index", "try_number", "kind", "target", "since",
                    "deadline", "next_probe_at", "last_probe_at", "last_result", "probes", "sharing", "owner",
                ])
            #expect(wait["map_index"] == -1)
            #expect(wait["try_number"] == 1)
        }
        let files = try home.json("deferred", "list", "--kind", "file").elements
        #expect(files.map { $0["target"] } == ["/data/in.csv"])
        #expect(try home.json("deferred", "list", "--dag", "orders", "--kind", "event").elements.isEmpty)
        #expect(try home.json("deferred", "list", "--run", "first", "--limit", "1").elements.count == 1)
        let plain = try home.program("deferred", "list", "-o", "plain", "--kind", "file")
        #expect(plain.lines.count == 1)
        #expect(plain.lines[0].split(separator: "\t", omittingEmptySubsequences: false).count == 16)
        #expect(try home.program("deferred", "list").lines.count == 3)
    }

    @Test("deferred list takes its filters and orders together")
    func deferredOrders() async throws {
        let home = try await WaitingHome()
        defer { home.folder.remove() }
        func kinds(_ arguments: String...) throws -> [JSONValue?] {
            let outcome = try home.program.run(["deferred", "list", "-o", "json"] + arguments)
            #expect(outcome.code == 0, "\(outcome)")
            return try JSONValue(parsing: outcome.output).elements.map { $0["kind"] }
        }
        #expect(try kinds("--due-within", "30m") == ["file"])
        #expect(try kinds("--due-within", "2h", "--sort", "deadline") == ["file", "time"])
        #expect(try kinds("--sort", "target", "--reverse", "--limit", "1").count == 1)
        #expect(try kinds("--sort", "due") == ["time", "file"])
        #expect(try kinds("--sort", "due", "--reverse") == ["time", "file"])
        #expect(try kinds("--older-than", "1h").isEmpty)
        #expect(try kinds("--older-than", "0s").count == 2)
        #expect(try kinds("--owner", "nobody:1").isEmpty)
    }

    @Test("a deadline is moved and shown, and what cannot be is refused in a line")
    func extend() async throws {
        let home = try await WaitingHome()
        defer { home.folder.remove() }
        guard case .integer(let id)? = try home.json("deferred", "list", "--kind", "file").elements.first?["wait_id"]
        else {
            Issue.record("no wait id")
            return
        }
        let until = try home.program("deferred", "extend", "\(id)", "--until", "2126-01-01T00:00:00Z")
        #expect(until.code == 0 && until.output.contains("times out at 2126-01-01T00:00:00"), "\(until)")
        #expect(until.errors.contains("note: no engine is running"))
        #expect(try home.program("deferred", "extend", "\(id)", "--by", "1d").output.contains("2126-01-02T00:00:00"))
        #expect(
            try home.program("deferred", "extend", "\(id)", "--no-deadline").output.contains("no deadline any more"))
        #expect(try home.json("deferred", "show", "\(id)")["deadline"] == .null)
        for (arguments, words) in [
            (["\(id)", "--by", "1d"], "no deadline"), (["\(id)", "--until", "2020-01-01"], "past already"),
            (["999", "--by", "1d"], "nothing waits"),
        ] {
            let outcome = try home.program.run(["deferred", "extend"] + arguments)
            #expect(outcome.code == 1 && outcome.output.isEmpty && outcome.errors.contains(words), "\(outcome)")
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
        }
        #expect(try home.program("db", "check").lines == ["the metastore is sound"])
    }

    @Test("the forecast counts what comes, in every format")
    func forecast() async throws {
        let home = try await WaitingHome()
        defer { home.folder.remove() }
        let forecast = try home.json("deferred", "forecast", "--within", "2h", "--buckets", "2")
        #expect(forecast["waits"] == 2 && forecast["open"] == 0 && forecast["oldest_wait_id"] == 1)
        #expect(forecast["buckets"]?.elements.count == 2)
        #expect(forecast["buckets"]?.elements.first?["timeouts"] == 1)
        #expect(forecast["kinds"] == [["kind": "file", "waits": 1], ["kind": "time", "waits": 1]])
        #expect(forecast["most_shared"] == [])
        let table = try home.program("deferred", "forecast")
        #expect(table.code == 0 && table.output.contains("buckets:") && table.output.contains("TIMEOUTS"), "\(table)")
        #expect(try home.program("deferred", "forecast", "-o", "yaml").output.contains("overdue: 0"))
    }

    @Test("a run's details have the run's and the tasks' fields")
    func runDetails() async throws {
        let home = try await WaitingHome()
        defer { home.folder.remove() }
        let run = try home.json("runs", "details", "orders", "first")
        #expect(
            run.keys.isSuperset(of: ["dag_id", "run_id", "state", "logical_date", "start_date", "end_date", "tasks"]))
        #expect(run["state"] == "running")
        #expect(run["end_date"] == .null)
        let tasks = run["tasks"]?.elements ?? []
        #expect(tasks.map { $0["state"] } == ["deferred", "deferred", "none"])
        for task in tasks {
            #expect(
                task.keys == ["task_id", "map_index", "state", "try_number", "start_date", "end_date", "duration"])
        }
        let yaml = try home.program("runs", "details", "orders", "first", "-o", "yaml")
        #expect(yaml.lines.first == "dag_id: orders")
        let states = try home.json("tasks", "states", "orders", "first", "--state", "deferred").elements
        #expect(states.map { $0["task_id"] } == ["soon", "landed"])
    }

    @Test("a wait that is fired by hand moves its task on; a second time it is gone")
    func fire() async throws {
        let home = try await WaitingHome()
        defer { home.folder.remove() }
        guard case .integer(let id)? = try home.json("deferred", "list", "--kind", "time").elements.first?["wait_id"]
        else {
            Issue.record("no wait id")
            return
        }
        let explained = try home.program("deferred", "explain", "\(id)")
        #expect(explained.code == 0 && explained.output.contains("It is due at"))
        #expect(explained.errors.contains("no triggerer"))
        do {
            let triggerer = try InspectionDouble(
                home.folder.path + "/inspect-1.sock", answer: #"{"error": "its memory is full"}"#)
            defer { unlink(triggerer.path) }
            let refused = try home.program("deferred", "explain", "\(id)")
            #expect(refused.code == 0 && refused.output.contains("It is due at"), "\(refused)")
            #expect(refused.errors.contains("does not answer (its memory is full)"), "\(refused)")
        }
        let fired = try home.program("deferred", "fire", "\(id)")
        #expect(fired.code == 0)
        #expect(fired.errors.contains("note: no engine is running"))
        let again = try home.program("deferred", "fire", "\(id)")
        #expect(again.code == 1 && again.errors.contains("\(id)"))
        #expect(try home.json("tasks", "states", "orders", "first").elements[0]["state"] == "success")
        let log = try home.program("tasks", "logs", "orders", "first", "soon")
        #expect(log.output.contains("waits for time") && log.output.contains("ended as success"), "\(log)")
    }

    @Test("a cancelled wait fails its task, a cancelled run ends")
    func cancel() async throws {
        let home = try await WaitingHome()
        defer { home.folder.remove() }
        guard case .integer(let id)? = try home.json("deferred", "list", "--kind", "file").elements.first?["wait_id"]
        else {
            Issue.record("no wait id")
            return
        }
        #expect(try home.program("deferred", "cancel", "\(id)").code == 0)
        #expect(try home.json("tasks", "states", "orders", "first").elements[1]["state"] == "failed")
        #expect(try home.program("runs", "cancel", "orders", "first").code == 0)
        let again = try home.program("runs", "cancel", "orders", "first")
        #expect(again.code == 1 && again.errors.contains("ended already"))
        #expect(try home.json("deferred", "list").elements.isEmpty)
        #expect(try home.json("runs", "list", "orders", "--state", "failed").elements.count == 1)
        let cleared = try home.json("tasks", "clear", "orders", "first", "--task", "landed", "--downstream", "-y")
            .elements
        #expect(cleared.map { $0["task_id"] } == ["landed", "load"])
    }

    @Test("DAGs are listed, triggered and paused; unknown ones are named")
    func dags() async throws {
        let home = try await WaitingHome()
        defer { home.folder.remove() }
        #expect(try home.json("dags", "list").elements.map { $0["dag_id"] } == ["orders"])
        let details = try home.json("dags", "details", "orders")
        #expect(details["description"] == "with a\ttab")
        #expect(details["tasks"]?.elements.count == 3)
        #expect(try home.json("tasks", "list", "orders").elements[1]["operator"] == "sensor:file")
        let next = try home.json("dags", "next-execution", "orders", "-n", "3").elements
        #expect(next.count == 3)

        let run = try home.program("dags", "trigger", "orders", "--run-id", "second", "--params", #"{"a": [1]}"#)
        #expect(run.code == 0 && run.output == "second\n")
        let twice = try home.program("dags", "trigger", "orders", "--run-id", "second")
        #expect(twice.code == 1 && twice.output.isEmpty && twice.errors.contains("second"))
        #expect(try home.json("runs", "details", "orders", "second")["params"] == ["a": [1]])

        #expect(try home.program("dags", "pause", "orders").code == 0)
        #expect(try home.json("dags", "list").elements[0]["is_paused"] == true)
        #expect(try home.program("dags", "trigger", "orders").errors.contains("is paused"))
        #expect(try home.program("dags", "unpause", "orders").code == 0)
        for command in [["dags", "details"], ["dags", "trigger"], ["dags", "pause"], ["tasks", "list"]] {
            let outcome = try home.program.run(command + ["nope"])
            #expect(outcome.code == 1, "\(command)")
            #expect(outcome.errors.contains("nope"), "\(outcome.errors)")
            #expect(outcome.errors.split(separator: "\n").count == 1)
        }
    }

    @Test("events are answered one by one once they are durable, and known ones are not taken twice")
    func events() async throws {
        let home = try await WaitingHome()
        defer { home.folder.remove() }
        let one = try home.program("events", "emit", "paid", "--key", "7", "--payload", #"{"sum": 3}"#, "--id", "e1")
        #expect(one.code == 0)
        #expect(try JSONValue(parsing: one.output)["duplicate"] == false)
        let many = try home.program(
            "events", "emit", "--stdin",
            input: #"{"name": "paid", "id": "e1"}"# + "\n\n" + #"{"name": "sent", "key": "8", "payload": [1]}"# + "\n")
        #expect(many.code == 0)
        #expect(try many.lines.map { try JSONValue(parsing: $0)["duplicate"] } == [true, false])
        let wrong = try home.program(
            "events", "emit", "--stdin", input: #"{"name": "sent"}"# + "\n" + #"{"nam": "x"}"# + "\n")
        #expect(wrong.code == 1)
        #expect(wrong.lines.count == 1)
        #expect(wrong.errors.contains("line 2") && wrong.errors.contains("nam"), "\(wrong.errors)")
        let listed = try home.json("events", "list").elements
        #expect(listed.map { $0["name"] } == ["sent", "sent", "paid"])
        #expect(listed.last?["payload"] == ["sum": 3])
        #expect(try home.json("events", "list", "--name", "paid", "--key", "7").elements.count == 1)
    }

    @Test("the metastore is checked and copied; a copy overwrites nothing")
    func database() async throws {
        let home = try await WaitingHome()
        defer { home.folder.remove() }
        #expect(try home.program("db", "check").lines == ["the metastore is sound"])
        #expect(try home.program("db", "migrate").output.contains("already"))
        let copy = home.folder.path + "/copy"
        try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: false)
        #expect(try home.program("db", "backup", copy + "/perch.db").code == 0)
        #expect(try home.program("db", "backup", copy + "/perch.db").code == 1)
        let waits = try home.program("deferred", "list", "-o", "json", "--home", copy)
        #expect(try JSONValue(parsing: waits.output).elements.count == 2)
        let info = try home.json("info")
        #expect(info["waits"] == 2 && info["engine"] == "not running")
    }

    @Test("a backfill is planned, begun, shown, held, let go and ended; what is wrong is refused in a line")
    func backfill() async throws {
        let home = try await WaitingHome()
        defer { home.folder.remove() }
        let dates = ["--from", "2025-12-30", "--to", "2026-01-01"]
        let plan = try home.program.run(
            ["backfill", "create", "orders", "--dry-run", "--reverse", "-o", "json"] + dates)
        #expect(
            try JSONValue(parsing: plan.output).elements.map { $0["logical_date"] } == [
                "2026-01-01T06:00:00Z", "2025-12-31T06:00:00Z", "2025-12-30T06:00:00Z",
            ], "\(plan)")
        #expect(try home.json("backfill", "list").elements.isEmpty)

        let created = try home.program.run(["backfill", "create", "orders", "--reprocess", "failed"] + dates)
        #expect(created.code == 0 && created.errors.contains("note: no engine is running"), "\(created)")
        let id = created.lines.first ?? ""
        let shown = try home.json("backfill", "show", id)
        #expect(shown["dates"] == 3 && shown["done"] == 0 && shown["reprocess"] == "failed")
        #expect(shown["to_date"] == "2026-01-01T23:59:59.999999Z")
        #expect(try home.program("backfill", "pause", id).output.contains("paused at 0/3 (0 %)"))
        #expect(try home.json("backfill", "list", "orders", "--open").elements.map { $0["state"] } == ["paused"])
        #expect(try home.program("backfill", "unpause", id).code == 0)
        let again = try home.program.run(["backfill", "create", "orders"] + dates)
        #expect(again.code == 1 && again.errors.contains("is running: wait for it or cancel it"), "\(again)")
        #expect(try home.program("backfill", "cancel", id).output.contains("is cancelled"))
        let twice = try home.program("backfill", "cancel", id)
        #expect(twice.code == 1 && twice.errors.contains("cancelling"), "\(twice)")

        let wrong: [([String], Int32, String)] = [
            (["create", "orders", "--from", "yesterday", "--to", "2026-01-01"], 64, "--from"),
            (["create", "orders", "--from", "2026-01-01"], 64, "--to"),
            (["create", "orders", "--reprocess", "all"] + dates, 64, "none, failed, completed"),
            (["create", "orders", "--max-active-runs", "0"] + dates, 64, "--max-active-runs is 0"),
            (
                ["create", "orders", "--from", "2026-01-02", "--to", "2026-01-01"], 64,
                "which is before it (see `perch backfill create --help`)"
            ),
            (["create", "ordres"] + dates, 1, "ordres"),
            (["show", "17"], 1, "no backfill 17"), (["pause", "x"], 64, "id"),
        ]
        for (arguments, code, words) in wrong {
            let outcome = try home.program.run(["backfill"] + arguments)
            #expect(outcome.code == code && outcome.errors.contains(words), "\(arguments): \(outcome)")
        }
    }
}
