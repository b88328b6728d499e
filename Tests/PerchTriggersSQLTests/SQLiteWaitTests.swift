// SPDX-License-Identifier: Apache-2.0

import Foundation
import GRDBSQLite
import PerchSDK
import PerchTriggersSQL
import PerchTriggersTestSupport
import Testing

@Suite(.timeLimit(.minutes(1)))
final class SQLiteWaitTests {
    private let path = FileManager.default.temporaryDirectory.appendingPathComponent("q-\(UUID().uuidString).db").path
    private var database: OpaquePointer?

    deinit {
        sqlite3_close_v2(database)
        for end in ["", "-journal", "-wal", "-shm"] { unlink(path + end) }
    }

    private func write(_ text: String) throws {
        if database == nil { #expect(sqlite3_open(path, &database) == SQLITE_OK) }
        #expect(sqlite3_exec(database, text, nil, nil, nil) == SQLITE_OK)
    }

    private func trigger(
        _ query: String, _ parameters: [JSONValue] = [], until: SQLCondition = .truthy, timeout: Duration = .seconds(10)
    ) -> SQLTrigger {
        .sql(query, parameters, on: .sqlite(path), every: .milliseconds(100), until: until, timeout: timeout)
    }

    @Test("Waits for one query share it, each with its condition, and fire with the rows as rows come")
    func rowsCome() async throws {
        let bench = try await sqlBench()
        defer { bench.end() }
        let query = "SELECT id, state FROM jobs WHERE id > ? ORDER BY id; -- all"
        try await bench.add([
            sqlWait(1, trigger(query, [0], until: .anyRow)),
            sqlWait(2, trigger(query, [0], until: .rows(atLeast: 2))),
            sqlWait(3, trigger(query, [0], until: .column("state", in: ["DONE"]))),
        ])
        try await bench.untilResult(1, "there is no file \(path)")
        try write("CREATE TABLE jobs (id INTEGER, state TEXT)")
        try await bench.untilResult(1, "0 rows, condition not met")
        #expect(try await bench.on { source, _ in source.explain(2)?.sharing } == 3)
        try write("INSERT INTO jobs VALUES (1, NULL)")
        try await bench.untilFired(1)
        let event = try #require(try bench.event(1))
        #expect(event.columns == ["id", "state"])
        #expect(event.rows == [.object(["id": 1, "state": .null])])
        #expect(event.value == 1)
        #expect(!event.isCut)
        try write("INSERT INTO jobs VALUES (2, 'RUNNING')")
        try await bench.untilFired(2)
        #expect(bench.fired == [1, 2])
        try write("UPDATE jobs SET state = 'DONE'")
        try await bench.untilFired(3)
        #expect(try await bench.on { source, _ in source.gauges.map(\.value) } == [0, 0, 0])
    }

    @Test("A file that a connection names is asked, and named nowhere; what is none breaks its wait alone")
    func byConnection() async throws {
        let bench = try await sqlBench([
            "PERCH_CONN_JOBS": "sqlite://\(path)", "PERCH_SECRET_JOBS": "sqlite://\(path)",
            "PERCH_CONN_MAIL": "smtp://mail.example", "PERCH_CONN_HALF": "sqlite://half-way-there",
        ])
        defer { bench.end() }
        func wait(_ id: Int64, _ database: SQLDatabase, listen: String? = nil) throws -> ArmedWait {
            try sqlWait(
                id,
                .sql(
                    "SELECT count(*) FROM jobs", on: database, every: .milliseconds(100), until: .value(.atLeast(1)),
                    listen: listen))
        }
        try await bench.add([
            try wait(1, .connection("jobs")), try wait(2, .secret("JOBS")), try wait(3, .connection("mail")),
            try wait(4, .connection("half")), try wait(5, .connection("none")),
            try wait(6, .connection("jobs"), listen: "jobs"),
        ])
        try await bench.untilResult(1, "there is no file ***")
        try write("CREATE TABLE jobs (id INTEGER)")
        try await bench.untilResult(1, "condition not met")
        try write("INSERT INTO jobs VALUES (1)")
        try await bench.untilFired(2)
        #expect(Set(bench.fired) == [1, 2])
        let broken = bench.reports.compactMap { if case .broken(let id, let words) = $0 { (id, words) } else { nil } }
        let expected: [(Int64, String)] = [
            (3, "postgres, redshift and sqlite, not 'smtp'"), (4, "by its absolute path"), (5, "PERCH_CONN_NONE"),
            (6, "SQLite has no channels"),
        ]
        #expect(broken.count == expected.count)
        for (id, words) in expected {
            #expect(broken.contains { $0.0 == id && $0.1.contains(words) }, "\(words): \(broken)")
        }
        #expect(!"\(bench.reports)".contains(path) && !"\(bench.reports)".contains("half-way-there"))
        #expect(try await bench.on { source, _ in source.gauges.map(\.value) } == [0, 0, 0])
    }

    @Test("The first value decides as with Airflow's sensor: null, 0, empty and no row do not end the wait")
    func truthy() async throws {
        try write("CREATE TABLE t (x)")
        let bench = try await sqlBench()
        defer { bench.end() }
        let falsy = ["NULL", "0", "0.0", "''", "'0'", "x FROM t"]
        try await bench.add(try falsy.enumerated().map { try sqlWait(Int64($0 + 1), trigger("SELECT \($1)")) })
        for index in falsy.indices { try await bench.untilResult(Int64(index + 1), "condition not met") }
        #expect(bench.fired.isEmpty)
        let truthy = ["1", "-0.5", "'no'", "x'00'"]
        try await bench.add(try truthy.enumerated().map { try sqlWait(Int64($0 + 11), trigger("SELECT \($1)")) })
        try await bench.untilFired(4)
        #expect(try bench.event(14)?.value == "\\x00")
    }

    @Test("What changes something, is more than one statement or is no SQL is refused with the reason, and goes on")
    func badQueries() async throws {
        try write("CREATE TABLE t (x)")
        let bench = try await sqlBench()
        defer { bench.end() }
        let other = path + ".other"
        let cases: [(String, [JSONValue], String)] = [
            ("DELETE FROM t", [], "gives rows and changes nothing"),
            ("DELETE FROM t RETURNING x", [], "gives rows and changes nothing"),
            ("SELECT 1; SELECT 2", [], "the query is one statement"),
            ("SELEC 1", [], "syntax error"),
            ("SELECT * FROM nowhere", [], "no such table: nowhere"),
            ("SELECT ?", [], "1 places for parameters, given are 0"),
            ("-- nothing", [], "holds no statement"),
            ("ATTACH '\(other)' AS o", [], "gives rows and changes nothing"),
            ("VACUUM INTO '\(other)'", [], "gives rows and changes nothing"),
        ]
        try await bench.add(
            try cases.enumerated().map { try sqlWait(Int64($0 + 1), trigger($1.0, $1.1)) })
        for (index, one) in cases.enumerated() { try await bench.untilResult(Int64(index + 1), one.2) }
        try await bench.untilSource("a second failure") { source in
            source.explain(4)?.sentences.contains { $0.hasPrefix("It has failed ") } == true
        }
        #expect(access(other, F_OK) != 0)
        #expect(bench.reports.allSatisfy { if case .probed = $0 { true } else { false } })
    }

    @Test("A query that never ends is stopped at its time, and does not hold the thread of the loop")
    func endless() async throws {
        try write("CREATE TABLE t (x)")
        let bench = try await sqlBench()
        defer { bench.end() }
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        try await bench.add([try sqlWait(1, trigger(endless, timeout: .milliseconds(200)))])
        try await bench.untilSource("it runs") { $0.gauges.contains { $0 == ("sql_queries", 1) } }
        try await bench.untilResult(1, "took longer than 200ms and was stopped")
    }

    @Test("Of a million rows no more are kept than the limit, and a first row that is too large is said to be")
    func manyRows() async throws {
        try write("CREATE TABLE t (x)")
        let bench = try await sqlBench { $0.byteLimit = 10_000 }
        defer { bench.end() }
        let million =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000) SELECT i, i FROM n"
        try await bench.add([
            try sqlWait(1, trigger(million, until: .rows(atLeast: 2_000))),
            try sqlWait(2, trigger("SELECT hex(zeroblob(6000))")),
        ])
        try await bench.untilFired(1)
        let event = try #require(try bench.event(1))
        #expect(event.columns == ["i", "i_2"])
        #expect(event.isCut)
        #expect(event.rows.count == 625)
        try await bench.untilResult(2, "the first row is larger than 10000 bytes")
    }

    @Test("A lock of another is not waited for long: the query comes again")
    func locked() async throws {
        try write("CREATE TABLE t (x); INSERT INTO t VALUES (1); BEGIN EXCLUSIVE")
        let bench = try await sqlBench()
        defer { bench.end() }
        try await bench.add([try sqlWait(1, trigger("SELECT x FROM t"))])
        try await bench.untilResult(1, "another holds a lock")
        try write("COMMIT")
        try await bench.untilFired(1)
    }

    @Test("A file that is no database, and a wait that cannot be read")
    func wrong() async throws {
        try "this is no database, however long it may be and whatever it may say".write(
            toFile: path, atomically: false, encoding: .utf8)
        let bench = try await sqlBench()
        defer { bench.end() }
        var unreadable = try sqlWait(2, trigger("SELECT 1"))
        unreadable.definition = .object(["query": "SELECT 1", "until": .object(["rowz": 1])])
        try await bench.add([try sqlWait(1, trigger("SELECT * FROM sqlite_master")), unreadable])
        try await bench.untilResult(1, "not a database")
        #expect(bench.reports.contains { if case .broken(2, _) = $0 { true } else { false } })
    }
}
