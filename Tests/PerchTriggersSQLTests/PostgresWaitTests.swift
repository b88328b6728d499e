// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchReactor
import PerchSDK
import PerchTriggersSQL
import PerchTriggersTestSupport
import ProgramTestSupport
import Testing

@Suite("Waits for rows of a PostgreSQL server", .timeLimit(.minutes(2)), .serialized)
struct PostgresWaitTests {
    private func trigger(
        _ query: String, _ parameters: [JSONValue] = [], on database: SQLDatabase, until: SQLCondition = .truthy,
        timeout: Duration = .seconds(10)
    ) -> SQLTrigger {
        .sql(query, parameters, on: database, every: .milliseconds(100), until: until, timeout: timeout)
    }

    private func bench(_ cluster: PostgresCluster) async throws -> SQLBench {
        try await sqlBench(["PERCH_SECRET_PG": cluster.password, "PERCH_SECRET_BAD": "wr0ng-w0rd"])
    }

    @Test("Rows with their types, by a Unix socket and by a name; parameters, conditions, and one connection for all")
    func rows() async throws {
        let cluster = try PostgresCluster()
        let bench = try await bench(cluster)
        defer { bench.end() }
        try cluster.execute("CREATE TABLE jobs (id int, state text)")
        let socket = cluster.database()
        let types = """
            SELECT $1::int AS i, 2.5::float8 AS f, 12345678901234567890.5::numeric AS n, true AS b, NULL AS z,
                '{"a": [1]}'::jsonb AS j, 'x y' AS t, 'NaN'::float8 AS nan, '\\x00ff'::bytea AS raw, $2::text AS i
            """
        try await bench.add([
            try sqlWait(1, trigger(types, [7, "é"], on: socket)),
            try sqlWait(2, trigger("SELECT count(*) FROM jobs", on: socket, until: .value(.atLeast(2)))),
            try sqlWait(
                3,
                trigger(
                    "SELECT * FROM jobs", on: cluster.database(host: "localhost"),
                    until: .column("state", equals: "DONE"))),
        ])
        try await bench.untilFired(1)
        let event = try #require(try bench.event(1))
        #expect(event.columns == ["i", "f", "n", "b", "z", "j", "t", "nan", "raw", "i_2"])
        #expect(
            event.rows == [
                .object([
                    "i": 7, "f": 2.5, "n": .number(12345678901234567890.5), "b": true, "z": .null,
                    "j": .object(["a": [1]]), "t": "x y", "nan": "NaN", "raw": "\\x00ff", "i_2": "é",
                ])
            ])
        try await bench.untilResult(2, "1 row, condition not met")
        try await bench.untilResult(3, "0 rows, condition not met")
        try cluster.execute("INSERT INTO jobs VALUES (1, 'RUNNING'), (2, 'DONE')")
        try await bench.untilFired(3)
    }

    @Test("Bad SQL, writes, a query that sleeps for an hour and a million rows are said, and the wait goes on")
    func badQueries() async throws {
        let cluster = try PostgresCluster()
        let bench = try await bench(cluster)
        defer { bench.end() }
        try cluster.execute("CREATE TABLE t (x int)")
        let server = cluster.database()
        let cases: [(String, [JSONValue], String)] = [
            ("SELEC 1", [], "syntax error"), ("SELECT * FROM nowhere", [], "\"nowhere\" does not exist (42P01)"),
            ("DELETE FROM t RETURNING x", [], "syntax error"),
            ("SELECT 1; DROP TABLE t", [], "multiple commands"),
            ("SELECT nextval('s')", [], "does not exist"),
            ("SELECT set_config('transaction_read_only', 'off', true), pg_notify('a', 'b')", [], "read-"),
            ("SELECT $1::int", ["word"], "invalid input syntax"),
            ("SELECT 1 / 0", [], "division by zero"),
        ]
        try await bench.add(
            try cases.enumerated().map { try sqlWait(Int64($0 + 1), trigger($1.0, $1.1, on: server)) })
        try await bench.add([
            try sqlWait(20, trigger("SELECT pg_sleep(3600)", on: server, timeout: .milliseconds(300))),
            try sqlWait(21, trigger("SELECT generate_series(1, 1000000)", on: server, until: .rows(atLeast: 5_000))),
        ])
        try await bench.untilFired(1)
        #expect(bench.fired == [21])
        #expect(try bench.event(21)?.rows.count == 1_000)
        #expect(try bench.event(21)?.isCut == true)
        try await bench.untilResult(20, "took longer than 300ms and was stopped")
        for (index, one) in cases.enumerated() { try await bench.untilResult(Int64(index + 1), one.2) }
        try await bench.untilSource("a second failure") { source in
            source.explain(1)?.sentences.contains { $0.hasPrefix("It has failed ") } == true
        }
        #expect(bench.reports.allSatisfy { if case .broken = $0 { false } else { true } })
    }

    @Test("A wrong password, a missing one and a port on which nobody listens are said without the password")
    func unreachable() async throws {
        let cluster = try PostgresCluster()
        let bench = try await bench(cluster)
        defer { bench.end() }
        try await bench.add([
            try sqlWait(1, trigger("SELECT 1", on: cluster.database(password: .secret("BAD")))),
            try sqlWait(2, trigger("SELECT 1", on: cluster.database(password: .secret("NONE")))),
            try sqlWait(
                3,
                trigger(
                    "SELECT 1",
                    on: .postgres(host: "127.0.0.1", port: TLSServer.freePort(), database: "d", user: "u"))),
            try sqlWait(4, trigger("SELECT 1", on: .postgres(host: "nothing.invalid", database: "d", user: "u"))),
        ])
        try await bench.untilResult(1, "password authentication failed for user \"perch\"")
        try await bench.untilResult(3, "Connection refused")
        #expect(
            bench.reports.contains {
                if case .broken(2, let words) = $0 { words.contains("PERCH_SECRET_NONE") } else { false }
            })
        let told = try await bench.on { source, _ in
            [1, 3].flatMap { source.explain($0)?.sentences ?? [] }.joined(separator: "\n")
        }
        #expect(told.contains("The database has not been reached since"))
        #expect(!told.contains("wr0ng-w0rd"))
        #expect(!"\(bench.reports)".contains("wr0ng-w0rd"))
        #expect(!"\(bench.reports)".contains(cluster.password))
    }

    @Test("A server that a connection names is asked, and neither it nor its user or password is said anywhere")
    func byConnection() async throws {
        let cluster = try PostgresCluster()
        func address(_ host: String, _ login: String, password: String, _ extra: [String: JSONValue] = [:]) -> String {
            Connection(
                type: "postgres", host: host, port: cluster.port, login: login, password: password, schema: "postgres",
                extra: extra
            ).uri
        }
        let bench = try await sqlBench([
            "PERCH_CONN_JOBS": address(cluster.folder, "perch", password: cluster.password),
            "PERCH_CONN_WRONG": address(cluster.folder, "perch", password: "wr0ng-w0rd"),
            "PERCH_CONN_AWAY": address("nothing.invalid", "somebody", password: "s3cret-w0rd"),
            "PERCH_CONN_ODD": address("h", "u", password: "p", ["sslmode": "verify-ca"]),
            "PERCH_CONN_KEYS": address("h", "u", password: "p", ["sslkey": "/etc/key.pem"]),
            "PERCH_CONN_HALF": "postgres://db.example",
        ])
        defer { bench.end() }
        try cluster.execute("CREATE TABLE jobs (id int)")
        func wait(_ id: Int64, _ connection: String) throws -> ArmedWait {
            try sqlWait(
                id, trigger("SELECT count(*) FROM jobs", on: .connection(connection), until: .value(.atLeast(1))))
        }
        try await bench.add([
            try wait(1, "jobs"), try wait(2, "wrong"), try wait(3, "away"), try wait(4, "odd"), try wait(5, "keys"),
            try wait(6, "half"),
        ])
        try await bench.untilResult(1, "condition not met")
        try await bench.untilResult(2, "password authentication failed for user \"***\"")
        try await bench.untilResult(3, "cannot be looked up")
        try cluster.execute("INSERT INTO jobs VALUES (1)")
        try await bench.untilFired(1)
        let told = try await bench.on { source, _ in
            [2, 3].flatMap { source.explain($0)?.sentences ?? [] }.joined(separator: "\n")
        }
        #expect(told.contains("Asks conn:wrong.uri every"))
        let all = told + "\(bench.reports)"
        for text in [cluster.password, cluster.folder, "wr0ng-w0rd", "nothing.invalid", "s3cret-w0rd", "somebody"] {
            #expect(!all.contains(text), "\(all)")
        }
        for (id, words) in [(4, "'sslmode' is one of"), (5, "'sslkey'"), (6, "it needs one host")] {
            #expect(
                bench.reports.contains {
                    if case .broken(Int64(id), let told) = $0 { told.contains(words) } else { false }
                }, "\(words)")
        }
    }

    @Test("A server that is killed and comes back is tried with one query until then; the waits go on")
    func restarted() async throws {
        let cluster = try PostgresCluster()
        let bench = try await bench(cluster)
        defer { bench.end() }
        try cluster.execute("CREATE TABLE t (x int)")
        try await bench.add(
            try (1...20).map {
                try sqlWait($0, trigger("SELECT x FROM t WHERE x = \($0)", on: cluster.database(), until: .anyRow))
            })
        for id in [1, 20] as [Int64] { try await bench.untilResult(id, "0 rows") }
        cluster.stop()
        try await bench.untilSource("an outage") { source in
            source.explain(1)?.sentences.contains { $0.hasPrefix("The database has not been reached") } == true
        }
        try cluster.start()
        try cluster.execute("INSERT INTO t SELECT generate_series(1, 20)")
        try await bench.untilFired(20)
        #expect(bench.reports.allSatisfy { if case .broken = $0 { false } else { true } })
    }

    @Test("A notification makes the query run at once, also on a connection that was made anew")
    func notified() async throws {
        let cluster = try PostgresCluster()
        let bench = try await bench(cluster)
        defer { bench.end() }
        try cluster.execute("CREATE TABLE t (x int)")
        func wait(_ id: Int64, listen: String?) throws -> ArmedWait {
            try sqlWait(
                id,
                .sql(
                    "SELECT x FROM t WHERE x = \(id)", on: cluster.database(), every: .hours(1), until: .anyRow,
                    listen: listen))
        }
        try await bench.add([
            try wait(1, listen: "it's \"new\""), try wait(2, listen: "other"), try wait(3, listen: nil),
        ])
        for id in 1...3 { try await bench.untilResult(Int64(id), "0 rows") }
        // Asked once more when the channel was listened to: what came before that may have been missed.
        try await bench.untilSource("listening") { ($0.explain(1)?.probe?.probes ?? 0) >= 2 }
        try cluster.execute("INSERT INTO t VALUES (1), (3); NOTIFY \"it's \"\"new\"\"\"")
        try await bench.untilFired(1)
        #expect(bench.fired == [1])
        cluster.stop()
        try await bench.untilSource("trouble") { source in
            source.explain(2)?.sentences.contains { $0.contains("cannot be heard at the moment") } == true
        }
        try cluster.start()
        // Notified while nobody listened: found when the connection stands again.
        try cluster.execute("INSERT INTO t VALUES (2); NOTIFY other")
        try await bench.untilFired(2)
        #expect(bench.fired == [1, 2])
    }

    @Test("A thousand notifications in a moment make few queries")
    func manyNotifications() async throws {
        let cluster = try PostgresCluster()
        let bench = try await bench(cluster)
        defer { bench.end() }
        try await bench.add([
            try sqlWait(
                1, .sql("SELECT 1", on: cluster.database(), every: .hours(1), until: .noRow, listen: "c"))
        ])
        try await bench.untilSource("listening") { ($0.explain(1)?.probe?.probes ?? 0) >= 2 }
        let began = ThreadReactor.monotonicClock()
        try cluster.execute("SELECT pg_notify('c', i::text) FROM generate_series(1, 1000) i")
        try await bench.untilSource("a query") { ($0.explain(1)?.probe?.probes ?? 0) >= 3 }
        let probes = try await bench.on { source, _ in source.explain(1)?.probe?.probes ?? 0 }
        let tenths = (ThreadReactor.monotonicClock() - began) / 100_000
        #expect(probes <= 4 + tenths)
    }
}
