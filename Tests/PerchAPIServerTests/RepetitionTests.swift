// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer
@testable import PerchMetastore

@Suite("What is asked for twice with one key", .timeLimit(.minutes(1)))
struct RepetitionTests {
    private func deadline(_ bench: RESTBench, _ waitID: Int64) async throws -> Timestamp? {
        try await bench.waits().first { $0.waitID == waitID }?.deadline
    }

    @Test("is done once, and answered as it was, for a day")
    func once() async throws {
        let bench = try await RESTBench(tokens: ["t"])
        let wait = try #require(try await bench.waits().first { $0.kind == "file" }?.waitID)
        let key = ["Idempotency-Key": "\"later\""]
        func extend(_ body: JSONValue, _ fields: [String: String]) async throws -> WebClient.Answer {
            try await bench.send("POST", "deferred/\(wait)/extend", body, fields)
        }
        #expect(try await extend(["until": "2027-01-01T00:00:00Z"], [:]).status == 200)
        let first = try await extend(["by": "1h"], key)
        #expect(first.status == 200 && first.json["deadline"] == "2027-01-01T01:00:00Z", "\(first)")
        let again = try await extend(["by": "1h"], key)
        #expect(again.status == 200 && again.json == first.json, "\(again)")
        #expect(try await deadline(bench, wait)?.description == "2027-01-01T01:00:00Z")
        // Something else by the same key is a mistake.
        #expect(try await extend(["by": "2h"], key).status == 409)
        #expect(try await bench.send("POST", "deferred/\(wait)/cancel", [:], key).status == 409)
        // Somebody else's key is another.
        let secret = try await bench.api.makeToken("ci", AccessRights(.admin))
        let others = key.merging(["Authorization": "Bearer \(secret)"]) { $1 }
        #expect(try await extend(["by": "1h"], others).json["deadline"] == "2027-01-01T02:00:00Z")
        bench.api.clock.now = bench.api.clock.now + TimeSpan.seconds(24 * 3_600 + 1)
        #expect(try await extend(["by": "1h"], key).json["deadline"] == "2027-01-01T03:00:00Z")
        try await bench.end()
    }

    @Test("is not done again where it was refused, or was only looked at: then it is asked for anew")
    func refused() async throws {
        let bench = try await RESTBench()
        let key = ["Idempotency-Key": "k"]
        #expect(try await bench.send("POST", "deferred/999999/cancel", [:], key).status == 404)
        let dry: JSONValue = ["dag_run_id": "r1", "task_ids": ["parse"], "only_failed": false]
        #expect(try await bench.send("POST", "dags/orders/clearTaskInstances", dry, key).status == 200)
        let wet: JSONValue = ["dag_run_id": "r1", "task_ids": ["parse"], "only_failed": false, "dry_run": false]
        let done = try await bench.send("POST", "dags/orders/clearTaskInstances", wet, key)
        #expect(done.status == 200 && done.json["task_instances"]?[0]?["task_id"] == "parse", "\(done)")
        #expect(try await bench.send("POST", "dags/orders/clearTaskInstances", wet, key).json == done.json)
        #expect(try await bench.send("POST", "dags/orders/clearTaskInstances", dry, key).status == 409)
        try await bench.end()
    }

    @Test("has no second answer where the first was lost, or comes at the same moment; what is told once is not kept")
    func lost() async throws {
        let bench = try await RESTBench()
        let wait = try #require(try await bench.waits().first { $0.kind == "file" }?.waitID)
        let path = "deferred/\(wait)/extend"
        let key = ["Idempotency-Key": "k"]
        #expect(try await bench.send("POST", path, ["until": "2027-01-01T00:00:00Z"], key).status == 200)
        // As if the server had died behind the transaction.
        _ = try await bench.api.metastore.write { try $0.run("UPDATE kept_answer SET status = NULL, document = NULL") }
        let lost = try await bench.send("POST", path, ["until": "2027-01-01T00:00:00Z"], key)
        #expect(lost.status == 409 && lost.body.contains("is done"), "\(lost)")
        for (path, body) in [
            ("tokens", ["name": "ci", "role": "viewer"]), ("commands", ["arguments": ["dags", "list"]]),
        ] as [(String, JSONValue)] {
            let answer = try await bench.send("POST", path, body, key)
            #expect(answer.status == 400 && answer.problem?.code == "invalid_header", "\(path): \(answer)")
        }
        let long = ["Idempotency-Key": String(repeating: "k", count: 256)]
        #expect(try await bench.send("POST", path, ["by": "1h"], long).problem?.code == "invalid_header")
        try await bench.end()
    }

    @Test("of many at the same moment one is done")
    func atOnce() async throws {
        let bench = try await RESTBench()
        let wait = try #require(try await bench.waits().first { $0.kind == "file" }?.waitID)
        let path = "deferred/\(wait)/extend"
        _ = try await bench.send("POST", path, ["until": "2027-01-01T00:00:00Z"])
        let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<20 {
                group.addTask { try await bench.send("POST", path, ["by": "1h"], ["Idempotency-Key": "k"]).status }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(statuses.contains(200) && statuses.allSatisfy { $0 == 200 || $0 == 409 }, "\(statuses)")
        #expect(try await deadline(bench, wait)?.description == "2027-01-01T01:00:00Z")
        try await bench.end()
    }
}
