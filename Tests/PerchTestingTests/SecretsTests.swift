// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchTesting
import Testing

@Suite("A tester gives connections and variables") struct SecretsTests {
    @Test("tasks, templates and sensors find them, and the log shows nothing secret")
    func given() async throws {
        let dag = DAG("asks") { dag in
            dag.sensor("landed", .file("{{ var.value.folder }}/{{ ds }}.csv"), timeout: .hours(6))
            dag.task("use") { context -> String in
                let connection = try await context.connection("orders")
                context.log.info("as \(connection.login ?? "") with \(connection.password ?? "")")
                let limits = try await context.variable("limits", as: [String: Int].self)
                return try await context.render("{{ conn.orders.host }} {{ var.value.folder }} \(limits["rows"] ?? 0)")
            }
            dag.task("fails") { context in
                throw PerchError(.invalid, "refused for \(try await context.variable("api_key"))")
            }
        }
        let tester = try DAGTester(
            dags: dag, at: "2026-01-01T06:00:00Z",
            connections: ["orders": try Connection(parsing: "http://me:hunter2@orders.example")],
            variables: [
                "folder": "/in", "limits": #"{"rows": 5}"#, "api_key": Variable("k3y-of-all", isSecret: true),
            ])
        let run = try await tester.trigger("asks")
        #expect(try await tester.waits().map(\.target) == ["/in/2026-01-01.csv"])
        try await tester.files.write("/in/2026-01-01.csv", "x")
        try await tester.finish(atMost: .hours(1))
        #expect(try await tester.output(of: "use", as: String.self, in: run) == "orders.example /in 5")
        let log = try await tester.log(of: "use", in: run)
        #expect(log.contains { $0.message.contains("as me with ***") }, "\(log)")
        #expect(!log.contains { $0.message.contains("hunter2") })
        #expect(try await tester.task("fails", in: run).message?.contains("refused for ***") == true)
    }

    @Test("a secret variable fails a sensor, and what is not given is not there") func missing() async throws {
        let dag = DAG("asks") { dag in
            dag.sensor("secret", .file("/{{ var.value.api_key }}"), timeout: .hours(6))
            dag.task("none") { context in _ = try await context.connection("perch_test_none") }
        }
        let tester = try DAGTester(dags: dag, variables: ["api_key": Variable("k3y", isSecret: true)])
        let run = try await tester.trigger("asks")
        try await tester.finish(atMost: .hours(1))
        #expect(try await tester.states(of: run) == ["secret": .failed, "none": .failed])
        #expect(try await tester.task("secret", in: run).message?.contains("is secret") == true)
        #expect(throws: PerchError.self) { try DAGTester(dags: dag, variables: ["a b": "x"]) }
    }

    @Test("a header of an HTTP sensor refers to a part of a connection") func reference() async throws {
        let dag = DAG("asks") { dag in
            dag.sensor(
                "done",
                .http(
                    "http://orders.example/job", every: .seconds(30), until: .status(200),
                    headers: ["Authorization": .connection("orders", "basic")]), timeout: .hours(6))
        }
        let tester = try DAGTester(
            dags: dag, connections: ["orders": Connection(type: "http", login: "me", password: "pass")])
        try await tester.http.respond(to: "http://orders.example/job", status: 200)
        let run = try await tester.trigger("asks")
        try await tester.finish(atMost: .hours(1))
        #expect(try await tester.states(of: run) == ["done": .success])
        let request = try #require(try await tester.http.requests(to: "http://orders.example/job").first)
        #expect(request.headers.contains { $0.name == "Authorization" && $0.value == "Basic bWU6cGFzcw==" })
    }
}
