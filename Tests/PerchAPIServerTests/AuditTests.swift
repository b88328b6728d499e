// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("What was done over the API is recorded", .timeLimit(.minutes(1)))
struct AuditTests {
    @Test("each change has an entry of who, what and to what, without what may be secret; what was refused has none")
    func entries() async throws {
        let bench = try await RESTBench(tokens: ["t"])
        #expect(try await bench.send("PUT", "variables/region", ["value": "hunter2"]).status == 200)
        let conf: JSONValue = ["conf": ["size": 4, "db_password": "hunter2", "deep": [["api_key": "hunter2"]]]]
        #expect(try await bench.send("POST", "dags/orders/dagRuns", conf).status == 201)
        let dry: JSONValue = ["dag_run_id": "r1", "only_failed": false]
        #expect(try await bench.send("POST", "dags/orders/clearTaskInstances", dry).status == 200)
        #expect(try await bench.send("DELETE", "pools/none").status == 404)
        #expect(try await bench.send("PATCH", "dags/orders", ["is_paused": 3]).status == 400)
        #expect(try await bench.send("DELETE", "variables/region").status == 204)
        _ = try await bench.get("dags")
        let answer = try await bench.get("auditLog")
        guard case .array(let entries)? = answer.json["entries"] else { return #expect(Bool(false), "\(answer)") }
        #expect(
            entries.map { $0["event"] } == [
                "DELETE variables/{variable_key}", "POST dags/{dag_id}/dagRuns", "PUT variables/{variable_key}",
            ])
        #expect(entries.map { $0["subject"] } == ["variables/region", "dags/orders/dagRuns", "variables/region"])
        #expect(Set(entries.map { $0["owner"] }) == ["api"] && Set(entries.map { $0["how"] }) == ["token"])
        #expect(!answer.body.contains("hunter2") && entries[1]["extra"]?["conf"]?["size"] == 4)
        #expect(try await bench.all("auditLog", "entries", limit: 1).count == 3)
        #expect(try await bench.get("auditLog?owner=anna").json["entries"] == [])
        try await bench.end()
    }

    @Test("what is long is not kept")
    func long() {
        let body: JSONValue = ["conf": ["text": .string(String(repeating: "x", count: 10_000))]]
        #expect(AuditDetails.withoutSecrets(body).text.utf8.count < 100)
        #expect(AuditDetails.withoutSecrets(.null) == .object([:]))
        #expect(AuditDetails.withoutSecrets(["a": ["token": "x", "b": 1]]) == ["a": ["token": "***", "b": 1]])
    }
}
