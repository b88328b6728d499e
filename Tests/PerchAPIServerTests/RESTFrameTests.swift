// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("The frame of /api/v2", .timeLimit(.minutes(1)))
struct RESTFrameTests {
    @Test(
        "What is wrong is told as RFC 9457 has it, and names the parameter or the field that is",
        arguments: [
            ("GET", "nothing", nil, 404, "not_found", nil), ("GET", "", nil, 404, "not_found", nil),
            ("GET", "dags/", nil, 404, "not_found", nil), ("GET", "dags/none", nil, 404, "not_found", nil),
            ("GET", "dags/..%2F..%2Fetc", nil, 404, "not_found", nil),
            ("GET", "dags/orders/dagRuns/none", nil, 404, "not_found", nil),
            ("GET", "deferred/x", nil, 404, "not_found", nil), ("GET", "deferred/999999", nil, 404, "not_found", nil),
            ("PUT", "dags", nil, 405, "method_not_allowed", nil),
            ("POST", "version", nil, 405, "method_not_allowed", nil),
            ("GET", "dags?limit=0", nil, 400, "invalid_parameter", "limit"),
            ("GET", "dags?limit=1001", nil, 400, "invalid_parameter", "limit"),
            ("GET", "dags?limit=ten", nil, 400, "invalid_parameter", "limit"),
            ("GET", "dags?limit=1&limit=2", nil, 400, "invalid_parameter", "limit"),
            ("GET", "dags?cursor=xyz", nil, 400, "invalid_parameter", "cursor"),
            ("GET", "dags?cursor=5b5d", nil, 400, "invalid_parameter", "cursor"),
            ("GET", "dags?fields=dag_id,colour", nil, 400, "invalid_parameter", "fields"),
            ("GET", "dags?colour=red", nil, 400, "invalid_parameter", "colour"),
            ("GET", "dags?paused=yes", nil, 400, "invalid_parameter", "paused"),
            ("GET", "dags/orders/dagRuns?state=happy", nil, 400, "invalid_parameter", "state"),
            ("GET", "dags/orders/dagRuns?logical_date_gte=soon", nil, 400, "invalid_parameter", "logical_date_gte"),
            ("GET", "deferred?older_than=long", nil, 400, "invalid_parameter", "older_than"),
            ("GET", "deferred?older_than=-9223372036854775808us", nil, 400, "invalid_parameter", "older_than"),
            ("GET", "deferred?due_within=-1s", nil, 400, "invalid_parameter", "due_within"),
            ("PATCH", "users/anna", "{}", 404, "not_found", nil),
            ("POST", "dags/orders/clearTaskInstances", #"{"dag_run_id": "r9"}"#, 404, "not_found", nil),
            ("PUT", "pools/gpu", #"{"slots": 3.5}"#, 400, "invalid_field", "#/slots"),
            ("GET", "deferred/forecast?within=0us", nil, 400, "invalid_parameter", "within"),
            ("POST", "dags/none/dagRuns/bulk", #"{"dag_runs": []}"#, 404, "not_found", nil),
            ("PATCH", "dags/orders", "{}", 400, "invalid_field", "#/is_paused"),
            ("PATCH", "dags/orders", #"{"is_paused": 1}"#, 400, "invalid_field", "#/is_paused"),
            ("PATCH", "dags/orders", #"{"is_paused": true, "colour": 1}"#, 400, "invalid_field", "#/colour"),
            ("PATCH", "dags/orders", "[]", 400, "invalid_field", "#"),
            ("PATCH", "dags/orders", "{", 400, "invalid_field", "#"),
            ("POST", "dags/orders/dagRuns", #"{"conf": []}"#, 400, "invalid_field", "#/conf"),
            ("POST", "dags/orders/dagRuns", #"{"logical_date": "soon"}"#, 400, "invalid_field", "#/logical_date"),
            ("POST", "dags/orders/dagRuns", #"{"dag_run_id": "a/b"}"#, 400, "invalid_field", "#/dag_run_id"),
            (
                "POST", "dags/orders/clearTaskInstances", #"{"dag_run_id": "r1", "task_ids": [7]}"#, 400,
                "invalid_field", "#/task_ids/0"
            ),
        ] as [(String, String, String?, Int, String, String?)])
    func problems(
        method: String, path: String, body: String?, status: Int, code: String, blamed: String?
    ) async throws {
        let bench = try await RESTBench()
        let answer = try await bench.api.send("\(method) /api/v2/\(path)", body == nil ? [:] : json, body ?? "")
        #expect(answer.status == status, "\(answer)")
        let problem = try #require(answer.problem, "\(answer)")
        #expect(problem.code == code && problem.blamed == blamed, "\(answer)")
        if status == 405 { #expect(answer.fields["allow"]?.isEmpty == false) }
        try await bench.end()
    }

    @Test("Bodies that are no JSON, or too long, are refused before they are there; what takes none is told so")
    func bodies() async throws {
        let bench = try await RESTBench()
        let form = ["Content-Type": "application/x-www-form-urlencoded"]
        let wrong = try await bench.api.send("POST /api/v2/dags/orders/dagRuns", form, "a=1")
        #expect(wrong.status == 415 && wrong.problem != nil)
        let long = ["Content-Type": "application/json", "Content-Length": "999999999"]
        let client = try bench.api.client()
        await client.send(WebClient.text("POST /api/v2/dags/orders/dagRuns", long))
        let refused = try #require(await client.answer())
        #expect(refused.status == 413 && refused.problem?.code == "too_large", "\(refused)")
        let read = try await bench.api.send("GET /api/v2/dags", json, "{}")
        #expect(read.status == 413 && read.problem != nil)
        // What is not of /api/v2 speaks as before.
        #expect(try await bench.api.send("GET /api/v3/dags").isError)
        #expect(try await bench.api.send("GET /api").isError)
        try await bench.end()
    }

    @Test(
        "A page begins where the one before has ended, whatever comes in between; a cursor goes with its own list alone"
    )
    func paging() async throws {
        let bench = try await RESTBench()
        for number in 0..<25 {
            let body: JSONValue = [
                "dag_run_id": "n\(number)",
                "logical_date": .string("2026-0\(1 + number % 3)-01T00:00:00Z"),
            ]
            #expect(try await bench.send("POST", "dags/orders/dagRuns", body).status == 201)
        }
        for path in ["dags/orders/dagRuns", "dags/~/dagRuns", "dags/orders/dagRuns?state=queued"] {
            let whole = try await bench.all(path, "dag_runs", limit: 1_000)
            #expect(whole.count >= 25)
            #expect(try await bench.all(path, "dag_runs", limit: 4) == whole, "\(path)")
        }
        let first = try await bench.get("dags/orders/dagRuns?limit=10&state=queued")
        guard case .string(let cursor)? = first.json["next_cursor"] else {
            Issue.record("no cursor: \(first)")
            return
        }
        for other in ["dags/~/dagRuns?state=queued", "dags/orders/dagRuns?state=running", "dags/orders/dagRuns"] {
            let answer = try await bench.get(other + (other.contains("?") ? "&" : "?") + "cursor=\(cursor)")
            #expect(answer.problem?.blamed == "cursor", "\(other): \(answer)")
        }
        // Those of another size of page go on from it.
        let next = try await bench.get("dags/orders/dagRuns?limit=3&state=queued&cursor=\(cursor)")
        #expect(next.status == 200 && next.json["dag_runs"]?[2] != nil && next.json["dag_runs"]?[3] == nil)
        try await bench.end()
    }

    @Test("Whatever stands in a cursor that was made up, the answer is a page or a refusal")
    func forgedCursors() async throws {
        let bench = try await RESTBench()
        for number in 0..<3 {
            let body: JSONValue = ["dag_run_id": .string("n\(number)")]
            #expect(try await bench.send("POST", "dags/orders/dagRuns", body).status == 201)
        }
        try await bench.advance()
        let place = "dags/orders/dagRuns/r1/taskInstances"
        let lists = [
            "dags", "dags/orders/tasks", "dags/orders/dagRuns", "dags/~/dagRuns", place, "deferred",
            "deferred?sort=target", "deferred?sort=due&older_than=1s", "events", "pools", "variables",
        ]
        var tried = 0
        for path in lists {
            let mark = path.contains("?") ? "&" : "?"
            let first = try await bench.get("\(path)\(mark)limit=1")
            guard case .string(let cursor)? = first.json["next_cursor"] else {
                #expect(path.contains("older_than"), "\(path) has one page: \(first)")
                continue
            }
            let digits = Array(cursor)
            let bytes = stride(from: 0, to: digits.count, by: 2).map {
                UInt8(String(digits[$0...($0 + 1)]), radix: 16)!
            }
            guard case .array(let parts) = try JSONValue(parsing: bytes), case .string(let listing)? = parts.first
            else {
                Issue.record("\(path): another kind of cursor")
                continue
            }
            for index in parts.indices.dropFirst() {
                for value: JSONValue in [.integer(.max), .integer(.min), -1, nil, "x", [], 0.5] {
                    var forged = parts
                    forged[index] = value
                    let text = Cursor.text(of: Array(forged.dropFirst()), listing)
                    let answer = try await bench.get("\(path)\(mark)limit=2&cursor=\(text)")
                    #expect([200, 400].contains(answer.status), "\(path) \(value.text): \(answer)")
                    tried += 1
                }
            }
        }
        #expect(tried > 100)
        try await bench.end()
    }

    @Test("A whole number may be written with a fraction of nothing, and a null says no more than what is left out")
    func spellings() async throws {
        var surroundings = APISurroundings()
        surroundings.seal = { _, _ in SealedValue(keyID: "k", text: "SEALED") }
        let bench = try await RESTBench(surroundings: surroundings)
        let pool = try await bench.api.send("PUT /api/v2/pools/gpu", json, #"{"slots": 3.0, "max_deferred": 2e1}"#)
        #expect(pool.status == 200 && pool.json["slots"] == 3 && pool.json["max_deferred"] == 20, "\(pool)")
        let connection = try await bench.send(
            "PUT", "connections/c", ["conn_type": "http", "uri": nil, "password": nil, "port": nil])
        #expect(connection.status == 200 && connection.json["conn_type"] == "http", "\(connection)")
        try await bench.end()
    }

    @Test("Only the fields that are wanted are told")
    func fields() async throws {
        let bench = try await RESTBench()
        let one = try await bench.get("dags/orders?fields=dag_id,is_paused")
        #expect(one.json == ["dag_id": "orders", "is_paused": false])
        let list = try await bench.get("dags?fields=dag_id")
        #expect(list.json == ["dags": [["dag_id": "orders"], ["dag_id": "rates"]], "next_cursor": nil])
        try await bench.end()
    }

    @Test("Whoever has an answer already is told that nothing has changed, until something has")
    func tags() async throws {
        let bench = try await RESTBench()
        let first = try await bench.get("dags/orders")
        let tag = try #require(first.fields["etag"])
        for known in [tag, "W/\(tag)", "\"other\", \(tag)", "*"] {
            let again = try await bench.get("dags/orders", ["If-None-Match": known])
            #expect(again.status == 304 && again.body.isEmpty && again.fields["etag"] == tag, "\(known): \(again)")
        }
        #expect(try await bench.get("dags/orders", ["If-None-Match": "\"other\""]).status == 200)
        #expect(try await bench.send("PATCH", "dags/orders", ["is_paused": true]).json["is_paused"] == true)
        let changed = try await bench.get("dags/orders", ["If-None-Match": tag])
        #expect(changed.status == 200 && changed.fields["etag"] != tag && changed.json["is_paused"] == true)
        let head = try await bench.send("HEAD", "dags/orders")
        #expect(head.status == 200 && head.fields["etag"] == changed.fields["etag"])
        try await bench.end()
    }
}
