// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchTesting
import Testing

@Suite("A tester refuses every connection")
struct SocketTests {
    @Test("so a wait for a closed port is met, alone or in a composite, and one for an open port ends by its timeout")
    func refusals() async throws {
        let dag = DAG("sockets") { dag in
            dag.sensor("up", .port("db-{{ ds }}.test", 5_432), timeout: .hours(2), softFail: true)
            dag.sensor(
                "any", .any(.unixSocket("/run/x.sock"), .port("db.test", 22, until: .closed)), timeout: .hours(2))
            dag.task("act") { context in
                let event = try await context.wait(for: .unixSocket("/run/{{ ds }}.sock", until: .closed))
                return "\(event.state.rawValue) \(event.address)"
            }
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("sockets", logicalDate: "2026-01-01")
        try await tester.advance(by: .minutes(1))
        #expect(try await tester.state(of: "any", in: run) == .success)
        #expect(try await tester.output(of: "act", as: String.self, in: run) == "closed /run/2026-01-01.sock")
        #expect(try await tester.state(of: "up", in: run) == .deferred)
        let wait = try #require(try await tester.waits().first)
        #expect(wait.kind == "socket" && wait.target == "db-2026-01-01.test:5432")
        try await tester.finish(atMost: .hours(2))
        #expect(try await tester.state(of: "up", in: run) == .skipped)
    }
}
