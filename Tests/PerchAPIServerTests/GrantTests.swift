// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("Who sees and steers some DAGs alone", .timeLimit(.minutes(1)))
struct GrantTests {
    private func fields(
        _ bench: RESTBench, _ name: String, _ role: AccessRole, _ pattern: String, all: AccessRole = .nothing
    ) async throws -> [String: String] {
        let rights = AccessRights(all, grants: [try AccessGrant(role, of: pattern)])
        return ["Authorization": "Bearer \(try await bench.api.makeToken(name, rights))"]
    }

    private func list(_ answer: WebClient.Answer, _ member: String) -> [JSONValue] {
        if case .array(let values)? = answer.json[member] { values } else { [] }
    }

    @Test("lists have what may be seen, page by page, and nothing of what may not is told by any name")
    func lists() async throws {
        let bench = try await RESTBench()
        let orders = try await fields(bench, "o", .viewer, "ord*")
        let rates = try await fields(bench, "r", .viewer, "rates")
        func ids(_ path: String, _ member: String, _ fields: [String: String]) async throws -> [JSONValue?] {
            list(try await bench.get(path, fields), member).map { $0["dag_id"] }
        }
        #expect(try await ids("dags", "dags", orders) == ["orders"])
        #expect(try await ids("dags", "dags", rates) == ["rates"])
        #expect(try await ids("dags/~/dagRuns", "dag_runs", orders) == ["orders"])
        let waits = try await ids("deferred", "waits", orders)
        #expect(waits.count == 2 && Set(waits) == ["orders"])
        #expect(try await ids("deferred", "waits", rates) == [])
        #expect(try await ids("backfills", "backfills", orders) == [])
        #expect(try await ids("backfills", "backfills", rates) == ["rates"])
        // One at a time, with a cursor between.
        let first = try await bench.get("deferred?limit=1", orders)
        let next = try #require(first.json.text("next_cursor"))
        let second = try await bench.get("deferred?limit=1&cursor=\(next)", orders)
        #expect(list(first, "waits").count == 1 && list(second, "waits").count == 1)
        #expect(first.body != second.body && second.json["next_cursor"] == .null)
        let wait = try #require(try await bench.waits().first).waitID
        #expect(try await bench.get("deferred/\(wait)", orders).status == 200)
        for path in ["deferred/\(wait)", "deferred/\(wait)/explain"] {
            let hidden = try await bench.get(path, rates)
            #expect(hidden.status == 404 && !hidden.body.contains("orders"), "\(hidden)")
        }
        for path in ["dags/rates", "dags/rates/tasks", "dags/rates/dagRuns", "dags/nothing", "backfills?dag_id=rates"] {
            #expect(try await bench.get(path, orders).status == 403, "\(path)")
        }
        let unknown = try await bench.get("dags/ordres", orders)
        #expect(unknown.status == 404 && !unknown.body.contains("rates") && !unknown.body.contains("orders"))
        for path in ["pools", "variables", "connections", "events", "assets", "importErrors", "deferred/forecast"] {
            #expect(try await bench.get(path, orders).status == 403, "\(path)")
        }
        #expect(try await bench.get("version", orders).status == 200)
        try await bench.end()
    }

    @Test("a role for some DAGs lets steer these, and nothing else")
    func steering() async throws {
        let bench = try await RESTBench()
        let viewer = try await fields(bench, "v", .viewer, "orders")
        let user = try await fields(bench, "u", .user, "orders", all: .viewer)
        let owner = try await fields(bench, "o", .operator, "orders")
        #expect(try await bench.send("POST", "dags/orders/dagRuns", [:], viewer).status == 403)
        #expect(try await bench.send("POST", "dags/orders/dagRuns", ["dag_run_id": "u1"], user).status == 201)
        #expect(try await bench.send("POST", "dags/rates/dagRuns", [:], user).status == 403)
        #expect(try await bench.send("PATCH", "dags/orders", ["is_paused": true], user).status == 200)
        #expect(try await bench.send("PATCH", "dags/rates", ["is_paused": true], user).status == 403)
        #expect(try await bench.get("dags/rates", user).status == 200)
        let bulk: JSONValue = ["dag_runs": [["dag_id": "orders", "dag_run_id": "b1"], ["dag_id": "rates"]]]
        #expect(try await bench.send("POST", "dags/~/dagRuns/bulk", bulk, user).status == 403)
        let runs = try await bench.api.metastore.read { try $0.runs(RunFilter(dagID: "orders")) }
        #expect(Set(runs.map(\.runID)) == ["r1", "u1"])
        // What is no approval is made up by operators alone.
        let wait = try #require(try await bench.waits().first).waitID
        #expect(try await bench.send("POST", "deferred/\(wait)/fire", [:], user).status == 403)
        #expect(try await bench.send("POST", "deferred/\(wait)/cancel", [:], user).status == 403)
        #expect(try await bench.send("POST", "deferred/\(wait)/extend", ["by": "5m"], user).status == 403)
        #expect(try await bench.send("PATCH", "dags/orders/dagRuns/u1", ["state": "failed"], user).status == 403)
        #expect(try await bench.waits().contains { $0.waitID == wait })
        #expect(try await bench.send("POST", "deferred/\(wait)/extend", ["no_deadline": true], owner).status == 200)
        #expect(try await bench.send("POST", "deferred/\(wait)/cancel", [:], owner).status == 200)
        #expect(try await bench.send("POST", "events/a", [:], owner).status == 403)
        try await bench.end()
    }

    @Test("a user's token may no more than the user, and nothing once he is disabled or gone")
    func owned() async throws {
        let bench = try await RESTBench()
        let api = bench.api
        try await api.metastore.write { transaction in
            try transaction.createUser("anna", password: nil, role: .viewer)
            try transaction.grant(AccessGrant(.user, of: "orders"), to: "anna")
        }
        let token = try await api.makeToken("annas", AccessRights(.admin), user: "anna")
        let fields = ["Authorization": "Bearer \(token)"]
        #expect(try await bench.send("PATCH", "dags/orders", ["is_paused": true], fields).status == 200)
        #expect(try await bench.send("PATCH", "dags/rates", ["is_paused": true], fields).status == 403)
        #expect(try await bench.get("auditLog", fields).status == 403)
        let log = try await api.metastore.read { try $0.auditLog(limit: 9) }
        #expect(log.map(\.entry.who) == ["anna"] && log.map(\.entry.how) == ["token annas"])
        try await api.metastore.write { try $0.setDisabled("anna", true) }
        api.passTime()
        #expect(try await bench.get("dags", fields).status == 401)
        try await api.metastore.write { try $0.setDisabled("anna", false) }
        api.passTime()
        #expect(try await bench.get("dags", fields).status == 200)
        try await api.metastore.write { try $0.deleteUser("anna") }
        api.passTime()
        #expect(try await bench.get("dags", fields).status == 401)
        try await bench.end()
    }
}
