// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("Steering behind /api/v2", .timeLimit(.minutes(1)))
struct RESTSteeringTests {
    private func runs(_ bench: RESTBench) async throws -> [RunRow] {
        try await bench.api.metastore.read { try $0.runs(dagID: "orders", state: nil, limit: 10_000) }
    }

    @Test("A run is started with its date and its params, durable and rung for when it is answered")
    func trigger() async throws {
        let bench = try await RESTBench()
        let body: JSONValue = [
            "dag_run_id": "mine", "logical_date": "2026-01-02T00:00:00Z", "conf": ["size": 9],
        ]
        let answer = try await bench.send("POST", "dags/orders/dagRuns", body)
        #expect(answer.status == 201, "\(answer)")
        #expect(answer.json["dag_run_id"] == "mine" && answer.json["state"] == "queued")
        #expect(answer.json["logical_date"] == "2026-01-02T00:00:00Z")
        #expect(answer.json["conf"] == ["size": 9, "name": "x"])
        #expect(try await bench.send("POST", "dags/orders/dagRuns", body).status == 409)
        // Without a body, and with every field null, it is a run of this moment.
        #expect(try await bench.send("POST", "dags/orders/dagRuns").status == 201)
        let nothing: JSONValue = ["dag_run_id": nil, "logical_date": nil, "conf": nil]
        #expect(try await bench.send("POST", "dags/orders/dagRuns", nothing).status == 201)
        #expect(try await bench.send("POST", "dags/none/dagRuns").status == 404)
        #expect(try await runs(bench).count == 4)
        try await bench.end()
    }

    @Test("Whoever asks again with his key gets the run that he has; with another wish he is refused")
    func idempotency() async throws {
        let bench = try await RESTBench()
        let body: JSONValue = ["conf": ["size": 2]]
        let answers = try await withThrowingTaskGroup(of: WebClient.Answer.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    try await bench.send("POST", "dags/orders/dagRuns", body, ["Idempotency-Key": "order 4711"])
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.filter { $0.status == 201 }.count == 1 && answers.filter { $0.status == 200 }.count == 7)
        #expect(Set(answers.map { $0.json["dag_run_id"] }).count == 1)
        #expect(try await runs(bench).count == 2)
        for other in [["conf": ["size": 3]], [:], ["conf": ["size": 2], "logical_date": "2026-01-01T00:00:00Z"]]
            as [JSONValue]
        {
            let answer = try await bench.send("POST", "dags/orders/dagRuns", other, ["Idempotency-Key": "order 4711"])
            #expect(answer.status == 409 && answer.problem != nil, "\(answer)")
        }
        let second = try await bench.send("POST", "dags/orders/dagRuns", body, ["Idempotency-Key": "order 4712"])
        #expect(second.status == 201)
        for key in [String(repeating: "k", count: 256), "\"\""] {
            let answer = try await bench.send("POST", "dags/orders/dagRuns", body, ["Idempotency-Key": key])
            #expect(answer.status == 400 && answer.problem?.code == "invalid_header", "\(key): \(answer)")
        }
        #expect(try await runs(bench).count == 3)
        try await bench.end()
    }

    @Test(
        "A run that somebody else has asked for is nobody's by its id: whoever names it with a key of his own is refused"
    )
    func anothersRun() async throws {
        let bench = try await RESTBench()
        let body: JSONValue = ["dag_run_id": "mine", "conf": ["size": 2]]
        let mine = ["Idempotency-Key": "a"]
        #expect(try await bench.send("POST", "dags/orders/dagRuns", body, mine).status == 201)
        #expect(try await bench.send("POST", "dags/orders/dagRuns", body, mine).status == 200)
        for fields in [["Idempotency-Key": "b"], [:]] {
            let answer = try await bench.send("POST", "dags/orders/dagRuns", body, fields)
            #expect(answer.status == 409 && answer.problem != nil, "\(fields): \(answer)")
        }
        // r1 was made without any key.
        let taken: JSONValue = ["dag_run_id": "r1", "conf": ["size": 3]]
        #expect(try await bench.send("POST", "dags/orders/dagRuns", taken, ["Idempotency-Key": "c"]).status == 409)
        let other: JSONValue = ["dag_run_id": "other", "conf": ["size": 2]]
        #expect(try await bench.send("POST", "dags/orders/dagRuns", other, mine).status == 409)
        #expect(try await runs(bench).count == 2)
        try await bench.end()
    }

    @Test("A thousand runs are started at once, or, where one of them is wrong, none")
    func bulk() async throws {
        let bench = try await RESTBench()
        func wanted(_ count: Int, wrong: (Int, JSONValue)? = nil) -> JSONValue {
            var rows: [JSONValue] = (0..<count).map { ["dag_run_id": .string("b\($0)"), "conf": ["size": 5]] }
            if let wrong { rows[wrong.0] = wrong.1 }
            return ["dag_runs": .array(rows)]
        }
        for (body, status, blamed) in [
            (wanted(10, wrong: (7, ["conf": []])), 400, "#/dag_runs/7/conf"),
            (wanted(10, wrong: (7, ["dag_run_id": "a/b"])), 400, "#/dag_runs/7/dag_run_id"),
            (wanted(10, wrong: (7, ["dag_id": "rates"])), 400, "#/dag_runs/7/dag_id"),
            (wanted(10, wrong: (7, ["dag_run_id": "r1"])), 409, nil), (wanted(1_001), 400, "#/dag_runs"),
            ([:], 400, "#/dag_runs"),
        ] as [(JSONValue, Int, String?)] {
            let answer = try await bench.send("POST", "dags/orders/dagRuns/bulk", body)
            #expect(answer.status == status && answer.problem?.blamed == blamed, "\(answer)")
            #expect(try await runs(bench).count == 1)
        }
        let made = try await bench.send("POST", "dags/orders/dagRuns/bulk", wanted(1_000), ["Idempotency-Key": "k"])
        #expect(made.status == 200 && made.json["created"] == 1_000)
        #expect(made.json["dag_runs"]?[999]?["dag_run_id"] == "b999")
        #expect(try await runs(bench).count == 1_001)
        let again = try await bench.send("POST", "dags/orders/dagRuns/bulk", wanted(1_000), ["Idempotency-Key": "k"])
        #expect(again.status == 200 && again.json["created"] == 0)
        let mixed: JSONValue = ["dag_runs": [["dag_id": "rates"], ["dag_id": "orders"]]]
        let both = try await bench.send("POST", "dags/~/dagRuns/bulk", mixed)
        #expect(both.status == 200 && both.json["created"] == 2, "\(both)")
        let nameless = try await bench.send("POST", "dags/~/dagRuns/bulk", ["dag_runs": [[:]]])
        #expect(nameless.problem?.blamed == "#/dag_runs/0/dag_id")
        try await bench.end()
    }

    @Test("A run is ended once, a task is marked, and tasks are cleared after a dry run that changes nothing")
    func tasks() async throws {
        let bench = try await RESTBench()
        let place = "dags/orders/dagRuns/r1/taskInstances"
        func state(_ task: String) async throws -> JSONValue? { try await bench.get("\(place)/\(task)").json["state"] }
        let marked = try await bench.send("PATCH", "\(place)/landed", ["new_state": "success"])
        #expect(marked.status == 200 && marked.json["task_instances"]?[0]?["task_id"] == "landed", "\(marked)")
        #expect(try await state("landed") == "success")
        #expect(
            try await bench.send("PATCH", "\(place)/landed", ["new_state": "queued"]).problem?.blamed == "#/new_state")
        let one = try await bench.send("PATCH", "\(place)/load?map_index=1", ["new_state": "skipped"])
        #expect(one.json["task_instances"]?[0]?["map_index"] == 1 && one.json["task_instances"]?[1] == nil, "\(one)")

        func clear(_ more: [String: JSONValue]) async throws -> WebClient.Answer {
            let body = JSONValue.object(["dag_run_id": "r1"].merging(more) { $1 })
            return try await bench.send("POST", "dags/orders/clearTaskInstances", body)
        }
        let dry = try await clear(["only_failed": false, "task_ids": ["landed"]])
        #expect(dry.status == 200 && dry.json["task_instances"]?[0]?["task_id"] == "landed", "\(dry)")
        #expect(try await state("landed") == "success")
        let cleared = try await clear(["only_failed": false, "task_ids": ["landed"], "dry_run": false])
        #expect(cleared.json == dry.json)
        #expect(try await state("landed") != "success")
        #expect(try await clear([:]).json["task_instances"] == [])
        for (more, status, blamed) in [
            (["dag_run_id": "none"], 404, nil), (["task_ids": ["none"]], 404, nil),
            (["map_index": 0], 400, "#/map_index"), (["include_downstream": true], 400, "#/include_downstream"),
        ] as [([String: JSONValue], Int, String?)] {
            let answer = try await clear(more)
            #expect(answer.status == status && answer.problem?.blamed == blamed, "\(answer)")
        }

        let ended = try await bench.send("PATCH", "dags/orders/dagRuns/r1", ["state": "failed"])
        #expect(ended.status == 200, "\(ended)")
        try await bench.advance()
        #expect(try await bench.get("dags/orders/dagRuns/r1").json["state"] == "failed")
        #expect(try await bench.send("PATCH", "dags/orders/dagRuns/r1", ["state": "failed"]).status == 409)
        #expect(
            try await bench.send("PATCH", "dags/orders/dagRuns/r1", ["state": "success"]).problem?.blamed == "#/state")
        try await bench.end()
    }

    @Test("A wait is fired, cancelled and put off, each once")
    func waits() async throws {
        var surroundings = APISurroundings()
        surroundings.handMadeEvent = { wait, payload, _ in
            guard payload != nil || wait.kind == "time" else { throw PerchError(.invalid, "what has come?") }
            return payload ?? "now"
        }
        let bench = try await RESTBench(surroundings: surroundings)
        let waits = try await bench.waits()
        let file = try #require(waits.first { $0.kind == "file" }?.waitID)
        let nap = try #require(waits.first { $0.kind == "time" }?.waitID)
        let extended = try await bench.send("POST", "deferred/\(file)/extend", ["until": "2027-01-01T00:00:00Z"])
        #expect(extended.status == 200 && extended.json["deadline"] == "2027-01-01T00:00:00Z", "\(extended)")
        let later = try await bench.send("POST", "deferred/\(file)/extend", ["by": "1h"])
        #expect(later.json["deadline"] == "2027-01-01T01:00:00Z", "\(later)")
        for (body, blamed) in [
            ([:], "#"), (["by": "1h", "no_deadline": true], "#"), (["by": "0s"], "#/by"), (["by": "x"], "#/by"),
        ] as [(JSONValue, String)] {
            let answer = try await bench.send("POST", "deferred/\(file)/extend", body)
            #expect(answer.status == 400 && answer.problem?.blamed == blamed, "\(answer)")
        }
        #expect(
            try await bench.send("POST", "deferred/\(file)/extend", ["until": "2020-01-01T00:00:00Z"]).status == 400)
        let free = try await bench.send("POST", "deferred/\(file)/extend", ["no_deadline": true])
        #expect(free.json["deadline"] == .null)

        let empty = try await bench.send("POST", "deferred/\(file)/fire")
        #expect(empty.status == 400 && empty.problem?.blamed == "#/payload", "\(empty)")
        let fired = try await bench.send("POST", "deferred/\(file)/fire", ["payload": ["size": 3]])
        #expect(fired.status == 200 && fired.json["ended_as"] == "fired" && fired.json["task_id"] == "landed")
        #expect(try await bench.send("POST", "deferred/\(file)/fire", ["payload": 1]).status == 404)
        let place = "dags/orders/dagRuns/r1/taskInstances"
        #expect(try await bench.get("\(place)/landed").json["state"] == "success")
        #expect(try await bench.send("POST", "deferred/\(nap)/cancel").json["ended_as"] == "cancelled")
        #expect(try await bench.send("POST", "deferred/\(nap)/cancel").status == 404)
        #expect(try await bench.get("\(place)/nap").json["state"] == "failed")
        try await bench.end()
    }

    @Test("Pools and variables are set and removed; what is secret is sealed or refused")
    func settings() async throws {
        let bench = try await RESTBench()
        let pool = try await bench.send("PUT", "pools/disk", ["slots": 2, "max_deferred": 5])
        #expect(pool.status == 200 && pool.json["slots"] == 2 && pool.json["max_deferred"] == 5, "\(pool)")
        let grown = try await bench.send("PUT", "pools/disk", ["slots": 3])
        #expect(grown.json["slots"] == 3 && grown.json["max_deferred"] == 5)
        #expect(
            try await bench.send("PUT", "pools/disk", ["slots": 3, "max_deferred": nil]).json["max_deferred"] == .null)
        #expect(try await bench.send("PUT", "pools/disk", ["slots": -1]).problem?.blamed == "#/slots")
        #expect(try await bench.send("PUT", "pools/a%3Ab", ["slots": 1]).status == 400)
        let removed = try await bench.send("DELETE", "pools/disk")
        #expect(removed.status == 204 && removed.body.isEmpty, "\(removed)")
        #expect(try await bench.send("DELETE", "pools/disk").status == 404)
        #expect(try await bench.send("DELETE", "pools/default_pool").status == 409)

        let set = try await bench.send("PUT", "variables/region", ["value": "us"])
        #expect(set.json["value"] == "us" && set.json["description"] == "where", "\(set)")
        // It is secret already, and there is no key to seal another value.
        #expect(try await bench.send("PUT", "variables/api_token", ["value": "plain"]).status == 503)
        #expect(try await bench.send("PUT", "variables/new_password", ["value": "plain"]).status == 503)
        #expect(try await bench.send("PUT", "variables/a%20b", ["value": "x"]).status == 400)
        #expect(try await bench.send("DELETE", "variables/region").status == 204)
        #expect(try await bench.get("variables/region").status == 404)
        try await bench.end()
    }

    @Test("A secret variable is sealed with the key, and its value is neither told nor stored")
    func sealing() async throws {
        var surroundings = APISurroundings()
        surroundings.seal = { text, name in
            SealedValue(keyID: "k", text: "\(name.name):\(String(text.reversed()))")
        }
        let bench = try await RESTBench(surroundings: surroundings)
        let answer = try await bench.send("PUT", "variables/db_password", ["value": "hunter2"])
        #expect(answer.status == 200 && answer.json["value"] == .null && answer.json["is_secret"] == true)
        #expect(!answer.body.contains("hunter2") && !bench.api.log.text.contains("hunter2"))
        let row = try #require(try await bench.api.metastore.read { try $0.variable("db_password") })
        #expect(row.isSecret && row.value == .sealed(SealedValue(keyID: "k", text: "db_password:2retnuh")))
        try await bench.end()
    }

    @Test("Connections are set whole and removed; all of them is sealed, and nothing of it is told, logged or recorded")
    func connections() async throws {
        var surroundings = APISurroundings()
        surroundings.seal = { text, name in SealedValue(keyID: "k", text: "\(name.name):\(text)") }
        let bench = try await RESTBench(surroundings: surroundings)
        #expect(try await bench.get("connections/db").json["conn_type"] == "postgres")
        let parts: JSONValue = [
            "conn_type": "http", "host": "shop.example", "port": 8443, "login": "anna", "password": "hunter2",
            "extra": ["anything": "hunter3"], "description": "the shop",
        ]
        let set = try await bench.send("PUT", "connections/shop", parts)
        #expect(set.status == 200 && set.json["conn_type"] == "http" && set.json["description"] == "the shop", "\(set)")
        let again = try await bench.send("PUT", "connections/db", ["uri": "postgres://anna:hunter4@db.example/orders"])
        #expect(again.status == 200 && again.json["description"] == "the one", "\(again)")
        let rows = try await bench.api.metastore.read { try $0.connections() }
        let shop = try #require(rows.first { $0.connID == "shop" })
        #expect(shop.value.keyID == "k" && shop.value.text.contains("hunter2") && shop.value.text.contains("8443"))
        #expect(rows.first { $0.connID == "db" }?.value.text.contains("hunter4") == true)
        let log = try await bench.api.metastore.read { try $0.auditLog(limit: 100) }
        let told = [set, again, try await bench.get("connections"), try await bench.get("connections/shop")].map(\.body)
        for text in told + log.map({ "\($0)" }) + [bench.api.log.text] { #expect(!text.contains("hunter"), "\(text)") }

        for (body, blamed) in [
            (["host": "x"], "#/conn_type"), ([:], "#/conn_type"),
            (["uri": "postgres://a", "host": "b"], "#/host"), (["uri": "nonsense hunter5"], "#/uri"),
            (["conn_type": "http", "port": 0], "#/port"), (["conn_type": "http", "extra": 3], "#/extra"),
        ] as [(JSONValue, String)] {
            let refused = try await bench.send("PUT", "connections/x", body)
            #expect(refused.status == 400 && refused.problem?.blamed == blamed, "\(body): \(refused)")
            #expect(!refused.body.contains("hunter"))
        }
        #expect(try await bench.send("PUT", "connections/a%20b", ["conn_type": "http"]).status == 400)
        #expect(try await bench.get("connections/x").status == 404)
        #expect(try await bench.send("DELETE", "connections/shop").status == 204)
        #expect(try await bench.send("DELETE", "connections/shop").status == 404)
        try await bench.end()
        let keyless = try await RESTBench()
        #expect(try await keyless.send("PUT", "connections/x", ["conn_type": "http"]).status == 503)
        try await keyless.end()
    }

    @Test("Events come in behind /api/v2 as they do before it, one or a batch")
    func events() async throws {
        let bench = try await RESTBench()
        let one = try await bench.send("POST", "events/orders.paid?key=7&id=x", ["n": 1])
        #expect(one.status == 202 && one.json["id"] == "x")
        let batch = try await bench.api.send("POST /api/v2/events/a", lines, "{\"key\":\"k\"}\n{\"payload\":[1]}\n")
        #expect(batch.status == 202 && batch.body.split(separator: "\n").count == 2)
        let wrong = try await bench.api.send("POST /api/v2/events/a", lines, "{}\nnope")
        #expect(wrong.status == 400 && wrong.problem != nil && wrong.json["line"] == 2, "\(wrong)")
        #expect(try await bench.all("events?key=7", "events", limit: 9).count == 1)
        try await bench.end()
    }
}
