// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchCLI

/// A clock that stands so long before now.
private struct EarlierClock: PerchClock {
    var by: TimeSpan
    var now: Timestamp { SystemClock().now + TimeSpan(microseconds: -by.microseconds) }
}

@Suite("Pools, assets, cleaning and completion")
struct UpkeepCommandTests {
    @Test("pools are made, shown, changed and deleted; what waits for one goes on when it is made")
    func pools() async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        var dag = DAGDefinition.code("train", ("a", []), ("b", []))
        for index in 0..<2 { dag.tasks[index].pool = "gpu" }
        try await home.deploy(dag)
        try await home.trigger("train", "r1")
        let list = try home.program("pools", "list")
        #expect(list.code == 0 && list.errors.contains("2 tasks wait for the pool 'gpu', which does not exist"))
        let set = try home.program("pools", "set", "gpu", "1", "--description", "cards")
        #expect(set.output == "gpu has 1 slot\n" && set.errors.contains("no engine"), "\(set)")
        try await home.engine { store in _ = try await store.write { try $0.promoteScheduled(limit: 100) } }
        let pool = try home.json("pools", "get", "gpu")
        #expect(pool["used"] == 1 && pool["queued"] == 1 && pool["waiting"] == 1 && pool["description"] == "cards")
        #expect(pool["holders"]?.list.first?["task_id"] == "b" && pool["dags"] == ["train"])
        #expect(
            try home.json("pools", "list").list.map(\.names)
                == Array(
                    repeating: [
                        "name", "slots", "used", "free", "running", "queued", "deferred", "waiting", "include_deferred",
                        "max_deferred", "description",
                    ], count: 2))
        #expect(try home.program("pools", "set", "gpu", "5", "--include-deferred", "--max-deferred", "7").code == 0)
        #expect(try home.program("pools", "set", "gpu", "5").code == 0)
        let changed = try home.json("pools", "get", "gpu")
        #expect(
            changed["description"] == "cards" && changed["include_deferred"] == true && changed["max_deferred"] == 7)
        #expect(
            try home.program("pools", "set", "gpu", "5", "--no-include-deferred", "--max-deferred", "none").code == 0)
        let unset = try home.json("pools", "get", "gpu")
        #expect(unset["include_deferred"] == false && unset["max_deferred"] == .null)
        try home.refusesUsage("a number from 0, or none", "pools", "set", "gpu", "5", "--max-deferred", "few")
        try home.refuses("in use", "pools", "delete", "gpu")
        try home.refuses("cannot be deleted", "pools", "delete", "default_pool")
        try home.refuses("did you mean 'gpu'", "pools", "get", "gpus")
        try home.refusesUsage("no colon", "pools", "set", "a:b", "1")
        try home.refusesUsage("0 slots or more", "pools", "set", "--", "x", "-1")
        try home.refusesUsage("'x'", "pools", "set", "gpu", "x")
        try await home.engine { store in _ = try await store.write { try $0.promoteScheduled(limit: 100) } }
        try await home.succeedAll()
        try home.refuses("they would wait for ever", "pools", "delete", "gpu")
        try await home.deploy(.code("train", ("a", [])))
        #expect(try home.program("pools", "delete", "gpu").output == "gpu is deleted\n")
    }

    @Test("pools go to a file and come back, all or none")
    func poolFiles() async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        #expect(try home.program("pools", "set", "gpu", "4").code == 0)
        let path = home.folder.path + "/pools.json"
        #expect(try home.program("pools", "export", path).code == 0)
        try home.refuses("pools.json", "pools", "export", path)
        #expect(try home.program("pools", "delete", "gpu").code == 0)
        #expect(try home.program("pools", "import", path).output == "2 pools set\n")
        #expect(try home.json("pools", "get", "gpu")["slots"] == 4)
        let exported = try JSONValue(parsing: try home.program("pools", "export").output)
        #expect(try JSONValue(parsing: try home.program("pools", "export", "-").output) == exported)
        #expect(
            exported["gpu"] == ["slots": 4, "description": "", "include_deferred": false, "max_deferred": nil])
        for (text, words) in [
            ("[]", "no JSON object"), ("{", "standard input"), (#"{"new": 3}"#, "'new' is no object"),
            (#"{"new": {"slots": 3}, "old": {"slots": -1}}"#, "'slots' of the pool 'old'"),
            (#"{"new": {"slots": 3, "x": 1}}"#, "no field 'x'"), (#"{"a:b": {"slots": 3}}"#, "no colon"),
            (#"{"new": {"slots": 3, "description": 4}}"#, "no text"),
            (#"{"new": {"slots": 3, "include_deferred": 1}}"#, "true or false"),
            (#"{"new": {"slots": 3, "max_deferred": -1}}"#, "a number from 0, or null"),
        ] {
            let outcome = try home.program("pools", "import", "-", input: text)
            #expect(outcome.code == 1 && outcome.errors.contains(words), "\(text) \(outcome)")
        }
        try home.refuses("there is no file", "pools", "import", "/nowhere")
        #expect(try home.json("pools", "list").list.map { $0["name"] } == ["default_pool", "gpu"])
    }

    @Test("assets are shown with who updates them, what they start and their updates")
    func assets() async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        var maker = DAGDefinition.code("maker", ("load", []))
        maker.tasks[0].outlets = ["s3://orders"]
        var user = DAGDefinition.code("user", ("report", []))
        user.schedule = .events(EventSchedule([EventPattern(name: Asset.eventName, key: "s3://orders")]))
        try await home.deploy(maker, user)
        try await home.trigger("maker", "r1")
        try await home.succeedAll()
        let list = try home.json("assets", "list").list
        #expect(list.count == 1 && list[0]["producers"] == ["maker.load"] && list[0]["starts"] == ["user"])
        #expect(list[0]["updates"] == 1 && list[0].names.contains("last_update"))
        let show = try home.json("assets", "show", "s3://orders")
        #expect(
            show["producers"] == [["dag_id": "maker", "task_id": "load"]] && show["last_update_by"]?["run_id"] == "r1")
        let events = try home.json("assets", "events", "s3://orders").list
        #expect(events.count == 1 && events[0]["task_id"] == "load" && events[0]["started"] == [])
        try home.refuses("did you mean 's3://orders'", "assets", "show", "s3://order")
        try home.refusesUsage("--limit", "assets", "events", "--limit", "0")
    }

    @Test("db clean removes what is old and finished, and nothing that waits or is needed")
    func clean() async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        try await home.deploy(.code("orders", ("load", [])))
        let waiting = DAGDefinition(
            dagID: "waiting",
            tasks: [
                TaskDefinition(
                    taskID: "s", kind: .sensor(SensorDefinition(trigger: TriggerSpec(kind: "event", target: "paid"))))
            ])
        // Everything of ten days ago: events, five runs that ended, one that waits, an event after it.
        try await home.engine(at: EarlierClock(by: .seconds(10 * 86_400))) { store in
            try await store.write { transaction in
                try transaction.storeDAGs(
                    [.code("orders", ("load", [])), waiting], bundle: "default", bundleVersion: "1")
                _ = try transaction.emit((0..<3).map { NewEvent(name: "early", key: "\($0)") })
                for index in 0..<5 {
                    _ = try transaction.createRun(RunRequest(dagID: "orders", runID: "r\(index)"))
                    _ = try transaction.cancelRun(dagID: "orders", runID: "r\(index)", by: "test")
                }
                _ = try transaction.createRun(RunRequest(dagID: "waiting", runID: "w"))
                _ = try transaction.emit([NewEvent(name: "paid", key: "late")])
            }
            while try await store.write({ try $0.advanceRuns(budget: 1_000) }) {}
            try await store.write {
                try $0.audit(AuditEntry(who: "anna", how: "session", action: "form", subject: "old"))
            }
        }
        let tried = try home.json("db", "clean", "--before", "7d", "--dry-run")
        // Ends of runs are events only where a DAG follows them.
        #expect(tried["runs"] == 5 && tried["events"] == 3 && tried["events_kept"] == 1 && tried["dry_run"] == true)
        #expect(try home.json("dags", "list-runs", "orders").list.count == 5)
        #expect(try home.json("db", "clean", "--before", "30d", "-y")["runs"] == 0)
        try home.refusesUsage("give -y", "db", "clean", "--before", "7d")
        #expect(try home.json("db", "clean", "--before", "7d", "--keep-last", "3", "-y")["runs"] == 2)
        #expect(try home.json("dags", "list-runs", "orders").list.count == 3)
        #expect(try home.json("db", "clean", "--before", "7d", "--keep-last", "9", "-y")["runs"] == 0)
        #expect(try home.json("db", "clean", "--before", "7d", "--dag", "waiting", "-y")["runs"] == 0)
        let done = try home.json("db", "clean", "--before", "7d", "-y")
        #expect(done["runs"] == 3 && done["events"] == 3 && done["events_kept"] == 1)
        // The record goes only where it is asked for, and that it went is recorded.
        func recorded() throws -> [JSONValue?] { try home.json("audit", "list").list.map { $0["subject"] } }
        #expect(try recorded() == ["old"])
        #expect(try home.json("db", "clean", "--before", "30d", "--audit", "-y")["audit_entries"] == 0)
        #expect(try home.json("db", "clean", "--before", "7d", "--audit", "--dry-run")["audit_entries"] == 1)
        #expect(try home.json("db", "clean", "--before", "7d", "--audit", "-y")["audit_entries"] == 1)
        #expect(try recorded() == ["audit log"])
        try home.refusesUsage("--audit", "db", "clean", "--before", "7d", "--audit", "--dag", "orders", "-y")
        #expect(try home.json("deferred", "list").list.count == 1)
        #expect(try home.json("events", "list").list.map { $0["name"] } == ["paid"])
        #expect(try home.program("db", "check").lines == ["the metastore is sound"])
        try home.refusesUsage("--before", "db", "clean", "--before", "soon", "-y")
        try home.refusesUsage("--before", "db", "clean", "--before", "2026-13-01", "-y")
        try home.refusesUsage("--keep-last", "db", "clean", "--before", "1d", "--keep-last", "0", "-y")
        try home.refuses("there is no DAG", "db", "clean", "--before", "1d", "--dag", "zzzzzz", "-y")
    }

    @Test("each shell gets a script, and ids come from the home")
    func completion() async throws {
        let home = try StagedHome()
        defer { home.folder.remove() }
        try await home.deploy(.code("orders", ("load", []), ("report", [0])))
        try await home.trigger("orders", "r1")
        for (shell, words) in [("bash", "complete -"), ("zsh", "#compdef perch"), ("fish", "complete -c")] {
            let script = try home.program("completion", shell)
            #expect(
                script.code == 0 && script.output.contains(words) && script.output.contains("failed-deps"), "\(shell)")
        }
        try home.refusesUsage("'zsh' or 'fish'", "completion", "tcsh")
        func offered(_ place: Int, _ words: String...) throws -> [String] {
            let outcome = try home.program.run(
                ["---completion", "tasks", "failed-deps", "--", "positional@\(place)", "\(words.count)", "0", "perch"]
                    + words.dropFirst() + [""])
            #expect(outcome.code == 0, "\(outcome)")
            return outcome.lines
        }
        #expect(try offered(0, "perch", "tasks", "failed-deps") == ["orders"])
        #expect(try offered(1, "perch", "tasks", "failed-deps", "orders") == ["r1"])
        #expect(
            try offered(2, "perch", "tasks", "failed-deps", "--home", home.folder.path, "orders", "r1") == [
                "load", "report",
            ])
        #expect(try offered(1, "perch", "tasks", "failed-deps", "--home=/nowhere", "orders").isEmpty)
    }

    @Test("a progress bar says how far it is, and how long it takes still")
    func progress() {
        #expect(
            ProgressBar.line("cleaning", 50, 200, after: .seconds(10))
                == "cleaning [#####               ] 25 %, 50 of 200, 30s left")
        #expect(ProgressBar.line("x", 0, 10, after: .seconds(1)) == "x [                    ] 0 %, 0 of 10")
        #expect(ProgressBar.line("x", 20, 10, after: .seconds(1)).contains("100 %"))
        #expect(ProgressBar.line("x", 7, nil, after: .seconds(1)) == "x: 7")
    }
}
