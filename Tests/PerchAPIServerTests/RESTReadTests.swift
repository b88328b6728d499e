// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("Reading behind /api/v2", .timeLimit(.minutes(1)))
struct RESTReadTests {
    @Test("DAGs are told with what their version says, and found by tag, by id and by whether they are paused")
    func dags() async throws {
        let bench = try await RESTBench()
        let dag = try await bench.get("dags/rates").json
        #expect(dag["timetable_summary"] == "0 6 * * *" && dag["is_active"] == true && dag["is_paused"] == false)
        #expect(dag["task_count"] == 1 && dag["max_active_runs"] == 16 && dag["start_date"] == .null)
        for (query, ids) in [
            ("tag=daily", ["orders"]), ("dag_id_contains=ate", ["rates"]), ("paused=true", []),
            ("active=true", ["orders", "rates"]), ("tag=none", []),
        ] {
            let rows = try await bench.all("dags?\(query)", "dags", limit: 1)
            #expect(rows.map { $0["dag_id"] } == ids.map { .string($0) }, "\(query)")
        }
        let tasks = try await bench.all("dags/orders/tasks", "tasks", limit: 1)
        #expect(tasks.map { $0["task_id"] } == ["parse", "load", "landed", "nap"])
        #expect(tasks[0]["downstream_task_ids"] == ["load"] && tasks[1]["mapped_over"] == "parse")
        #expect(tasks[2]["target"] == "/data/in.csv")
        let typo = try await bench.get("dags/ordres")
        #expect(typo.body.contains("did you mean 'orders'?"), "\(typo)")
        try await bench.end()
    }

    @Test("A run, its task instances, what they gave and what they recorded are told")
    func runs() async throws {
        let bench = try await RESTBench()
        let run = try await bench.get("dags/orders/dagRuns/r1").json
        #expect(run["state"] == "running" && run["run_type"] == "manual" && run["duration"] == .null)
        #expect(run["conf"] == ["size": 3, "name": "x"] && run["dag_run_id"] == "r1")
        let place = "dags/orders/dagRuns/r1/taskInstances"
        let all = try await bench.all(place, "task_instances", limit: 1)
        #expect(all.map { $0["task_id"] } == ["parse", "load", "load", "landed", "nap"])
        #expect(all.map { $0["map_index"] } == [-1, 0, 1, -1, -1])
        #expect(all.map { $0["state"] } == ["success", "queued", "queued", "deferred", "deferred"])
        let waiting = try await bench.all("\(place)?state=deferred", "task_instances", limit: 10)
        #expect(waiting.map { $0["task_id"] } == ["landed", "nap"])
        let loads = try await bench.all("\(place)?task_id=load", "task_instances", limit: 1)
        #expect(loads.map { $0["map_index"] } == [0, 1])
        #expect(try await bench.get("\(place)?task_id=laod").status == 404)
        #expect(try await bench.get("\(place)/load?map_index=1").json["map_index"] == 1)
        for (path, says) in [
            ("load", "name one of its 2 instances"), ("load?map_index=2", "over 2 elements"),
            ("parse?map_index=0", "not mapped"), ("pars", "did you mean 'parse'?"),
        ] {
            let answer = try await bench.get("\(place)/\(path)")
            #expect(answer.status == 404 && answer.body.contains(says), "\(answer)")
        }
        let output = try await bench.get("\(place)/parse/xcomEntries/return_value").json
        #expect(output["value"] == [1, 2] && output["key"] == "return_value")
        #expect(try await bench.get("\(place)/parse/xcomEntries/other").status == 404)
        #expect(try await bench.get("\(place)/nap/xcomEntries/return_value").body.contains("deferred"))
        let journal = try await bench.all("\(place)/parse/journal", "entries", limit: 1)
        #expect(journal.count == 1 && journal[0]["key"] == "read#0" && journal[0]["payload"] == [1, 2])
        #expect(try await bench.all("\(place)/parse/journal?try_number=9", "entries", limit: 1).isEmpty)
        try await bench.end()
    }

    @Test("A log is told line by line, a page at a time; what is no line of a log is all message")
    func logs() async throws {
        var surroundings = APISurroundings()
        surroundings.log = { key, tryNumber, start, limit in
            guard key.taskID == "parse", tryNumber == 1, case .behind(let place) = start else { return nil }
            let after = place.line
            let lines = ["2026-01-01T00:00:00Z INFO one two", "torn", "2026-01-01T00:00:01Z ERROR \u{1B}[31m<b>"]
            let rest = lines.dropFirst(after)
            return APISurroundings.LogPage(lines: Array(rest.prefix(limit)), hasMore: rest.count > limit)
        }
        let bench = try await RESTBench(surroundings: surroundings)
        let place = "dags/orders/dagRuns/r1/taskInstances"
        let lines = try await bench.all("\(place)/parse/logs/1", "content", limit: 1)
        #expect(lines.map { $0["message"] } == ["one two", "torn", "\u{1B}[31m<b>"])
        #expect(lines.map { $0["level"] } == ["info", .null, "error"])
        #expect(try await bench.all("\(place)/parse/logs/1", "content", limit: 100) == lines)
        for path in ["parse/logs/2", "parse/logs/0", "parse/logs/x", "landed/logs/1"] {
            #expect(try await bench.get("\(place)/\(path)").status == 404, "\(path)")
        }
        try await bench.end()
    }

    @Test("Waits are told, filtered and in each order, page by page, also where a wait of a page has ended since")
    func waits() async throws {
        let bench = try await RESTBench()
        for number in 0..<7 {
            let body: JSONValue = ["dag_run_id": "w\(number)"]
            #expect(try await bench.send("POST", "dags/orders/dagRuns", body).status == 201)
        }
        try await bench.advance()
        for sort in ["id", "since", "due", "deadline", "target"] {
            for reverse in ["", "&reverse=true"] {
                let path = "deferred?sort=\(sort)\(reverse)"
                let whole = try await bench.all(path, "waits", limit: 1_000)
                #expect(whole.count == 16)
                #expect(try await bench.all(path, "waits", limit: 3) == whole, "\(path)")
            }
        }
        for (query, count) in [
            ("kind=file", 8), ("kind=http", 0), ("dag_id=rates", 0), ("dag_run_id=r1", 2), ("task_id=nap", 8),
            ("target_contains=data", 8), ("owner=h%3A7", 16), ("owner=h%3A8", 0), ("older_than=1s", 0),
            ("due_within=30m", 0), ("due_within=2h", 8),
        ] {
            #expect(try await bench.all("deferred?\(query)", "waits", limit: 100).count == count, "\(query)")
        }
        let first = try await bench.get("deferred?limit=2&sort=target")
        guard case .integer(let last)? = first.json["waits"]?[1]?["wait_id"],
            case .string(let cursor)? = first.json["next_cursor"]
        else {
            Issue.record("no page: \(first)")
            return
        }
        #expect(try await bench.send("POST", "deferred/\(last)/cancel").status == 200)
        let next = try await bench.get("deferred?limit=2&sort=target&cursor=\(cursor)")
        #expect(next.status == 200 && next.json["waits"]?[1] != nil, "\(next)")
        try await bench.end()
    }

    @Test("One wait is told with its trigger, and explained by its triggerer or by what was stored")
    func explanations() async throws {
        var surroundings = APISurroundings()
        surroundings.explain = { waitID in
            waitID % 2 == 0 ? WaitExplanation(sentences: ["It is watched."], sharing: 3) : nil
        }
        let bench = try await RESTBench(surroundings: surroundings)
        let waits = try await bench.waits()
        #expect(waits.count == 2)
        for wait in waits {
            let details = try await bench.get("deferred/\(wait.waitID)").json
            #expect(details["task_id"] == .string(wait.key.taskID) && details["is_sensor"] == true)
            #expect(details["owner"] == "h:7" && details["sharing"] == 1)
            if wait.kind == "file" { #expect(details["definition"] == ["path": "/data/in.csv"]) }
            let told = try await bench.get("deferred/\(wait.waitID)/explain").json
            let isLive = wait.waitID % 2 == 0
            #expect(told["live"] == .bool(isLive) && told["sharing"] == (isLive ? 3 : 1))
            if isLive { #expect(told["sentences"] == ["It is watched."]) }
            #expect((told["note"] == .null) == isLive, "\(told)")
        }
        let forecast = try await bench.get("deferred/forecast?within=2h&buckets=2").json
        #expect(forecast["waits"] == 2 && forecast["buckets"]?[0]?["due"] == 0 && forecast["buckets"]?[1]?["due"] == 1)
        for span in ["0s", "40000d", "2562047788h"] {
            #expect(try await bench.get("deferred/forecast?within=\(span)").problem?.blamed == "within", "\(span)")
        }
        #expect(try await bench.get("deferred/forecast?buckets=0").problem?.blamed == "buckets")
        try await bench.end()
    }

    @Test("Long payloads make pages short, and none of them is left out")
    func longPages() async throws {
        let bench = try await RESTBench()
        let long = String(repeating: "x", count: 1 << 20)
        try await bench.api.metastore.write { transaction in
            for number in 0..<7 {
                _ = try transaction.emit([NewEvent(name: "long", payload: [.string(long), .integer(Int64(number))])])
            }
        }
        let first = try await bench.get("events?name=long&limit=100")
        #expect(first.status == 200 && first.body.utf8.count < 6 << 20)
        let all = try await bench.all("events?name=long", "events", limit: 100)
        #expect(all.map { $0["payload"]?[1] } == (0..<7).reversed().map { .integer($0) })
        try await bench.end()
    }

    @Test("A wait is explained by what was stored where its triggerer answers with an error, and the answer says so")
    func silentTriggerer() async throws {
        var surroundings = APISurroundings()
        surroundings.explain = { _ in throw PerchError(.unavailable, "it is being taken over") }
        let bench = try await RESTBench(surroundings: surroundings)
        for wait in try await bench.waits() {
            let answer = try await bench.get("deferred/\(wait.waitID)/explain")
            #expect(answer.status == 200 && answer.json["live"] == false, "\(answer)")
            guard case .string(let note)? = answer.json["note"] else {
                Issue.record("no note: \(answer)")
                continue
            }
            #expect(note.contains("does not answer (it is being taken over)"), "\(note)")
        }
        try await bench.end()
    }

    @Test("A journal of long entries is told in short pages, and none of them is left out")
    func longJournal() async throws {
        let bench = try await RESTBench()
        let long = "\"" + String(repeating: "x", count: 3 << 20) + "\""
        try await bench.api.metastore.write { transaction in
            let worker = try transaction.registerProcess(
                role: "worker", pid: 8, startTime: 1, bootID: "b", host: "h", lease: .seconds(60))
            for task in try transaction.claim(limit: 1, worker: worker) {
                for number in 0..<5 {
                    let step = StepRecord(
                        taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID, key: "read#\(number)",
                        payload: number == 1 ? long + String(repeating: " ", count: 3 << 20) : long,
                        keepAcrossRetries: false)
                    #expect(try transaction.recordSteps([step]) == [true])
                }
            }
        }
        let loads = try await bench.all(
            "dags/orders/dagRuns/r1/taskInstances?state=running", "task_instances", limit: 9)
        guard case .integer(let index)? = loads.first?["map_index"] else {
            Issue.record("nothing runs: \(loads)")
            return
        }
        let path = "dags/orders/dagRuns/r1/taskInstances/load/journal?map_index=\(index)"
        let first = try await bench.get("\(path)&limit=1000")
        #expect(first.status == 200 && first.body.utf8.count < 5 << 20)
        #expect(first.json["entries"]?[0]?["key"] == "read#0" && first.json["entries"]?[1] == nil)
        for limit in [1, 2, 1_000] {
            let keys = try await bench.all(path, "entries", limit: limit).map { $0["key"] }
            #expect(keys == (0..<5).map { .string("read#\($0)") }, "\(limit)")
        }
        try await bench.end()
    }

    @Test("Everything else is told under the names that its users know, and what is secret never is")
    func others() async throws {
        let bench = try await RESTBench()
        #expect(try await bench.get("version").json == ["version": "unknown"])
        let health = try await bench.get("monitor/health").json
        for part in ["metadatabase", "scheduler", "triggerer", "worker"] {
            #expect(health[part] == ["status": "healthy", "count": 1], "\(part)")
        }
        let events = try await bench.all("events", "events", limit: 1)
        #expect(events.map { $0["seq"] } == [2, 1] && events[1]["payload"] == ["total": 9])
        #expect(try await bench.all("events?name=orders.paid&key=1", "events", limit: 1).count == 1)
        #expect(try await bench.all("events?key=2", "events", limit: 1).isEmpty)
        let assets = try await bench.all("assets", "assets", limit: 1)
        #expect(assets.count == 1 && assets[0]["name"] == "prices" && assets[0]["updates"] == 1)
        #expect(assets[0]["producing_tasks"] == [["dag_id": "rates", "task_id": "fetch"]])
        let pools = try await bench.all("pools", "pools", limit: 1)
        #expect(pools.map { $0["name"] } == ["default_pool", "gpu"] && pools[1]["open_slots"] == 4)
        let variables = try await bench.all("variables", "variables", limit: 1)
        #expect(variables.map { $0["value"] } == [.null, "eu"] && variables.map { $0["is_secret"] } == [true, false])
        let connections = try await bench.get("connections")
        #expect(connections.json["connections"]?[0]?["connection_id"] == "db")
        for answer in [connections, try await bench.get("variables"), try await bench.get("variables/api_token")] {
            #expect(answer.status == 200 && !answer.body.contains("SEALED"), "\(answer)")
        }
        let backfills = try await bench.all("backfills?open=true&dag_id=rates", "backfills", limit: 1)
        #expect(backfills.count == 1 && backfills[0]["dates"] == 3 && backfills[0]["state"] == "running")
        if case .integer(let id)? = backfills.first?["id"] {
            #expect(try await bench.get("backfills/\(id)").json == backfills[0])
        }
        for (path, name) in [
            ("schedulers", "schedulers"), ("triggerers", "triggerers"), ("workers", "workers"),
            ("apiServers", "api_servers"),
        ] {
            let rows = try await bench.all(path, name, limit: 1)
            #expect(rows.count == 1 && rows[0]["state"] == "active" && rows[0]["name"] == "h:7", "\(path)")
            #expect(rows.first?["version"] == (path == "apiServers" ? "9.9" : nil), "\(path)")
        }
        let errors = try await bench.all("importErrors", "import_errors", limit: 1)
        #expect(errors.count == 1 && errors[0]["filename"] == "bad.yaml" && errors[0]["line"] == 3)
        // Leases end: who does not renew them is told as dead.
        bench.api.clock.now = bench.api.clock.now + .seconds(2_000)
        #expect(try await bench.get("monitor/health").json["triggerer"]?["status"] == "unhealthy")
        #expect(try await bench.get("workers").json["workers"]?[0]?["state"] == "dead")
        try await bench.end()
    }
}
