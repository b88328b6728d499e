// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchCLI

@Suite("Names of what is not there", .timeLimit(.minutes(2)))
struct NamesTests {
    private func home() async throws -> StagedHome {
        let home = try StagedHome()
        try await home.deploy(.code("orders", ("parse", []), ("load", [0])))
        try await home.trigger("orders", "first")
        return home
    }

    @Test("commands that change a DAG or a task say what is nearest to a name that is not there")
    func changes() async throws {
        let home = try await home()
        defer { home.folder.remove() }
        for command in ["pause", "unpause", "trigger", "delete", "details", "state"] {
            try home.refuses("there is no DAG 'ordres'; did you mean 'orders'?", "dags", command, "ordres")
        }
        try home.refuses("there is no DAG 'zz'; there is orders", "dags", "pause", "zz")
        try home.refuses("there is no DAG 'zz'", "tasks", "mark", "zz", "first", "load", "success")
        try home.refuses("Did you mean 'first'?", "tasks", "mark", "orders", "frst", "load", "success")
        try home.refuses("has no task 'lod'; did you mean 'load'?", "tasks", "mark", "orders", "first", "lod", "failed")
        try home.refuses("there are load, parse", "tasks", "mark", "orders", "first", "zz", "skipped")
        try home.refuses("has no task 'lod'; did you mean 'load'?", "tasks", "logs", "orders", "first", "lod")
        #expect(try home.json("dags", "list").list.map { $0["is_paused"] } == [false])
        try home.refuses(
            "the task is not mapped: leave --map-index out", "tasks", "clear", "orders", "first", "--task", "load",
            "--map-index", "9", "-y")
        try home.refuses("there is default_pool", "pools", "get", "nosuch")
    }

    @Test("a filter that names what is not there is an error, not an empty list")
    func filters() async throws {
        let home = try await home()
        defer { home.folder.remove() }
        #expect(try home.program("deferred", "list", "--dag", "orders").errors == "nothing waits\n")
        #expect(try home.json("deferred", "list", "--dag", "orders", "--task", "load", "--kind", "async:mine") == [])
        #expect(try home.json("deferred", "list", "--run", "somewhere") == [])
        try home.refuses("did you mean 'orders'?", "deferred", "list", "--dag", "ordres")
        try home.refuses("Did you mean 'first'?", "deferred", "list", "--dag", "orders", "--run", "frst")
        try home.refuses(
            "DAG 'orders' has no task 'lod'; did you mean 'load'?", "deferred", "list", "--dag", "orders", "--task",
            "lod")
        try home.refuses(
            "did you mean 'load'?", "deferred", "list", "--dag", "orders", "--run", "first", "--task", "lod")
        try home.refusesUsage("there is no kind 'files'; did you mean 'file'?", "deferred", "list", "--kind", "files")
        try home.refuses("did you mean 'orders'?", "approvals", "list", "--dag", "ordres")
        try home.refuses("Did you mean 'first'?", "approvals", "list", "--dag", "orders", "--run", "frst")
        #expect(try home.program("approvals", "list", "--dag", "orders").errors == "nobody is asked anything\n")
    }

    @Test("the log of a task is given line by line as objects") func logs() async throws {
        let home = try await home()
        defer { home.folder.remove() }
        #expect(try home.json("tasks", "logs", "orders", "first", "load") == [])
        let waits = DAGDefinition(
            dagID: "waits",
            tasks: [
                TaskDefinition(taskID: "soon", kind: .sensor(SensorDefinition(trigger: .time(.after(.seconds(3_600))))))
            ])
        try await home.deploy(waits)
        try await home.trigger("waits", "first")
        let lines = try home.json("tasks", "logs", "waits", "first", "soon").list
        #expect(lines.count == 1 && lines[0]["level"] == "info")
        #expect(lines[0].names == ["timestamp", "level", "message"])
        #expect(lines[0]["message"]?.text.contains("waits for time") == true)
        let text = try home.program("tasks", "logs", "waits", "first", "soon", "-o", "plain").output
        #expect(
            text == (try home.program("tasks", "logs", "waits", "first", "soon").output) && text.contains(" info waits")
        )
        #expect(
            try home.program("tasks", "logs", "waits", "first", "soon", "-o", "yaml").output.contains("level: info"))
    }

    @Test("a line of a log is read as it was written, and else is a message") func lines() {
        let record = LogRecords.record("2026-01-01T00:00:00.250Z WARNING two  words")
        #expect(
            record["timestamp"] == .text("2026-01-01T00:00:00.25Z")
                || record["timestamp"] == .text("2026-01-01T00:00:00.250Z"))
        #expect(record["level"] == .text("warning") && record["message"] == .text("two  words"))
        for line in ["", "words", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z LOUD words", "x INFO words"] {
            #expect(LogRecords.record(line)["message"] == .text(line), "\(line)")
        }
    }

    @Test(
        "expressions as users of other crons write them have the ticks that they mean",
        arguments: [
            ("0 6 ? * fri-mon", ["01-02T06:00", "01-03T06:00", "01-04T06:00", "01-05T06:00", "01-09T06:00"]),
            ("30 22-2/2 * * *", ["01-01T00:30", "01-01T02:30", "01-01T22:30", "01-02T00:30"]),
            ("@midnight", ["01-01T00:00", "01-02T00:00"]), ("@annually", ["01-01T00:00"]),
            ("0 0 1 * ?", ["01-01T00:00", "02-01T00:00"]),
        ])
    func ticks(_ expression: String, _ ticks: [String]) async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        var definition = DAGDefinition.code("ticks", ("a", []))
        definition.schedule = .cron(expression: expression, timeZone: "UTC")
        // So far ahead that the ticks are yet to come.
        definition.start = try Timestamp(parsing: "2099-01-01T00:00:00Z")
        definition.calendar = DayCalendar(except: ["12-25"])
        definition.runTimeout = .seconds(90)
        try await home.deploy(definition)
        let details = try home.json("dags", "details", "ticks")
        #expect(details["calendar"] == ["except": ["12-25"]] && details["run_timeout"] == 90.0)
        let found = try home.json("dags", "next-execution", "ticks", "-n", "\(ticks.count)").list
        let shown = found.compactMap { row -> String? in
            guard case .string(let text)? = row["logical_date"] else { return nil }
            return String(text.dropFirst(5).prefix(11))
        }
        #expect(shown == ticks)
    }
}
