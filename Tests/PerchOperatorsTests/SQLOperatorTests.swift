// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Synchronization
import Testing

@testable import PerchOperators

/// Databases for tests, by the ids of their connections: `pg`, `rs` (the same server, as if it were Redshift), `lite`.
final class Databases {
    let folder: String
    let cluster: PostgresCluster?
    let connections: [String: Connection]

    init(postgres: Bool = true) throws {
        folder = NSTemporaryDirectory() + "perch-sql-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        var connections = [
            "lite": Connection(type: "sqlite", schema: "\(folder.dropFirst())/a.db", extra: ["create": "true"]),
            "other": Connection(type: "sqlite", host: "\(folder)/b.db", extra: ["create": "true"]),
        ]
        cluster = postgres ? try PostgresCluster() : nil
        if let cluster {
            let postgres = Connection(
                type: "postgres", host: "127.0.0.1", port: cluster.port, login: "perch", password: cluster.password,
                schema: "postgres")
            var redshift = postgres
            redshift.type = "redshift"
            (connections["pg"], connections["rs"]) = (postgres, redshift)
        }
        self.connections = connections
    }

    deinit {
        try? FileManager.default.removeItem(atPath: folder)  // because what is left in /tmp fails no test
    }

    func runtime() -> RecordingRuntime { RecordingRuntime(connections) }

    func sql<Value>(_ sql: SQLOperator<Value>) async throws -> Value {
        try await sql.execute(TaskContext(runtime: runtime()))
    }

    /// What a query gives.
    func select(_ connection: String, _ text: String) async throws -> JSONValue {
        try await sql(.sql(text, connection: connection))
    }

    func failure(_ transfer: TransferOperator) async -> any Error { await failure(of: transfer) }
    func failure<Value>(_ sql: SQLOperator<Value>) async -> any Error { await failure(of: sql) }
    func failure(_ check: SQLCheckOperator) async -> any Error { await failure(of: check) }

    private func failure<O: Operator>(of code: O) async -> any Error {
        do {
            let output = try await code.execute(TaskContext(runtime: runtime()))
            return PerchError(.conflict, "no failure: \(output)")
        } catch {
            return error
        }
    }
}

@Suite("SQL statements", .timeLimit(.minutes(3)), .serialized)
struct SQLOperatorTests {
    private struct Order: Codable, Sendable, Equatable {
        var id: Int
        var name: String?
        var total: Double
    }

    @Test("statements of one text are one transaction with bound parameters; the last rows are the output, typed")
    func transaction() async throws {
        let databases = try Databases()
        for connection in ["lite", "pg"] {
            let orders = try await databases.sql(
                .sql(
                    """
                    -- a comment; with a semicolon
                    CREATE TABLE orders (id integer PRIMARY KEY, name text, total double precision);
                    INSERT INTO orders VALUES ($1, $2, 2.5), (2, NULL, $3);  /* ; */
                    INSERT INTO orders VALUES (3, 'a;''b', 0) ; SELECT * FROM orders ORDER BY id;
                    """, connection: connection, parameters: [1, "x'); DROP TABLE orders; -- {{ params.name }}", 7],
                    returning: [Order].self))
            #expect(
                orders == [
                    Order(id: 1, name: "x'); DROP TABLE orders; -- Ann", total: 2.5), Order(id: 2, name: nil, total: 7),
                    Order(id: 3, name: "a;'b", total: 0),
                ], "\(connection)")
            let count = try await databases.sql(
                .sql(
                    "SELECT count(*) FROM orders WHERE id > $1", connection: connection, parameters: ["1"],
                    result: .value))
            #expect(count == 2, "\(connection)")
            let row = try await databases.sql(
                .sql(
                    "SELECT id FROM orders WHERE id = $2 OR id = $1", connection: connection, parameters: [9, 3],
                    result: .row))
            #expect(row == ["id": 3], "\(connection)")
            #expect(
                try await databases.select(connection, "DELETE FROM orders WHERE id = 3 RETURNING name, name") == [
                    ["name": "a;'b", "name_2": "a;'b"]
                ])
        }
    }

    @Test("values keep their types: digits, JSON, bytes, null, and numbers that are none")
    func types() async throws {
        let databases = try Databases()
        let postgres = try await databases.select(
            "pg",
            """
            SELECT true AS b, 9007199254740993::int8 AS i, 2.5::float8 AS f, 'NaN'::float8 AS nan, 1.50::numeric AS n,
                '{"a": [1, null]}'::jsonb AS j, '\\x00ff'::bytea AS raw, NULL AS z, DATE '2026-01-02' AS d, 'ü' AS t
            """)
        #expect(
            postgres == [
                .object([
                    "b": true, "i": 9_007_199_254_740_993, "f": 2.5, "nan": "nan", "n": 1.5, "j": ["a": [1, .null]],
                    "raw": "\\x00ff", "z": .null, "d": "2026-01-02", "t": "ü",
                ])
            ])
        let sqlite = try await databases.select(
            "lite", "SELECT 1 AS i, 2.5 AS f, x'00ff' AS raw, NULL AS z, 'ü' AS t, '' AS e")
        #expect(sqlite == [.object(["i": 1, "f": 2.5, "raw": "\\x00ff", "z": .null, "t": "ü", "e": ""])])
    }

    @Test("a statement that fails leaves nothing of those before it; with autocommit they stay")
    func rollback() async throws {
        let databases = try Databases()
        for connection in ["lite", "pg"] {
            _ = try await databases.select(connection, "CREATE TABLE t (x integer PRIMARY KEY)")
            let text = "INSERT INTO t VALUES (1);\n\nINSERT INTO t VALUES (2);\nINSERT INTO t VALUES (2)"
            let error = await databases.failure(SQLOperator<JSONValue>.sql(text, connection: connection))
            #expect(error is PerchError && "\(error)".contains("line 4 of the SQL text"), "\(error)")
            #expect("\(error)".lowercased().contains("unique"), "\(error)")
            #expect(try await databases.select(connection, "SELECT * FROM t") == [])
            _ = await databases.failure(SQLOperator<JSONValue>.sql(text, connection: connection, autocommit: true))
            #expect(try await databases.select(connection, "SELECT count(*) AS n FROM t") == [["n": 2]])
            _ = try await databases.sql(.sql("VACUUM", connection: connection, autocommit: true))
            for text in ["COMMIT", "INSERT INTO t VALUES (7); COMMIT; SELECT 1", " /* x */ rollback", "BEGIN"] {
                let error = await databases.failure(SQLOperator<JSONValue>.sql(text, connection: connection))
                #expect(error is NonRetryable && "\(error)".contains("transaction"), "\(error)")
            }
            #expect(try await databases.select(connection, "SELECT count(*) AS n FROM t") == [["n": 2]])
        }
    }

    @Test("too many rows, wrong parameters, no statement, a wrong type and a file that is none are said")
    func refused() async throws {
        let databases = try Databases()
        func words(_ sql: SQLOperator<JSONValue>) async -> String {
            let error = await databases.failure(sql)
            return error is NonRetryable ? "\(error)" : "retryable: \(error)"
        }
        let many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5000) SELECT x FROM n"
        for connection in ["lite", "pg"] {
            #expect(
                await words(.sql(many, connection: connection, maximumRows: 4_999)).contains("more than 4999 rows"))
            let wide = SQLOperator<JSONValue>(.text(many), connection: connection, maximumOutputSize: 1_000)
            #expect(await words(wide).contains("more than 1000 bytes"))
            #expect(
                await words(.sql("SELECT $1, $2", connection: connection, parameters: [1])).contains(
                    "$1 to $2, given are 1"))
            #expect(
                await words(.sql("SELECT $1", connection: connection, parameters: [1, 2])).contains(
                    "$1 to $1, given are 2"))
            #expect(await words(.sql(" -- nothing\n;", connection: connection)).contains("holds no statement"))
            let typed = await databases.failure(
                SQLOperator<[Order]>.sql("SELECT 1 AS id", connection: connection, returning: [Order].self))
            #expect(typed is NonRetryable && "\(typed)".contains("total"), "\(typed)")
            #expect(
                await words(.sql(file: "/nowhere.sql", connection: connection)).contains("No such file"))
        }
        #expect(await words(.sql("COPY (SELECT 1) TO STDOUT", connection: "pg")).contains("a transfer does that"))
        #expect(SQLOperator<JSONValue>.sql(" ", connection: "").problems.count == 2)
    }

    @Test("a file of statements is rendered, with functions that have statements of their own")
    func file() async throws {
        let databases = try Databases()
        let path = databases.folder + "/script.sql"
        let text = """
            CREATE FUNCTION twice(x int) RETURNS int LANGUAGE plpgsql AS $body$ BEGIN RETURN x * 2; END; $body$;
            CREATE FUNCTION thrice(x int) RETURNS int BEGIN ATOMIC
                SELECT 1; SELECT CASE WHEN x > 0 THEN x * 3 ELSE 0 END; END;
            SELECT twice($1) AS a, thrice($1) AS b, E'it\\'s; {{ ds }}' AS c, $2::int AS d;
            """
        try Data(text.utf8).write(to: URL(filePath: path))
        let rows = try await databases.sql(
            .sql(file: "x", connection: "pg").with(path, parameters: [4, 5]))
        #expect(rows == [["a": 8, "b": 12, "c": "it's; 2026-01-01", "d": 5]])
        let trigger = """
            CREATE TABLE t (x); CREATE TABLE log (y);
            CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.x); INSERT INTO log VALUES (0); END;
            INSERT INTO t VALUES (7); SELECT y FROM log;
            """
        #expect(try await databases.select("lite", trigger) == [["y": 7], ["y": 0]])
    }

    @Test("a statement that takes too long is stopped; a cancelled task stops the server's work")
    func stopped() async throws {
        let databases = try Databases()
        let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
        for (connection, text) in [("lite", endless), ("pg", "SELECT pg_sleep(3600)")] {
            let late = await databases.failure(
                SQLOperator<JSONValue>.sql(text, connection: connection, statementTimeout: .milliseconds(100)))
            #expect(late is PerchError && "\(late)".contains("longer than 100ms"), "\(late)")
            let context = TaskContext(runtime: databases.runtime())
            let task = Task { try await SQLOperator<JSONValue>.sql(text, connection: connection).execute(context) }
            if connection == "pg" {
                // Until the server is at it: each look takes as long as a program.
                for _ in 0..<600 {
                    let active = try databases.cluster?.select(
                        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")
                    if active == "1" { break }
                }
            }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            if connection == "pg" {
                let active = try databases.cluster?.select(
                    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'")
                #expect(active == "0")
            }
        }
    }

    @Test("another's lock is waited for, but not for ever")
    func locks() async throws {
        let databases = try Databases(postgres: false)
        _ = try await databases.select("lite", "CREATE TABLE t (x)")
        var connection = try #require(databases.connections["lite"])
        connection.extra["lock_timeout"] = "100ms"
        let file = try SQLiteFile(connection, id: "lite")
        let other = try SQLiteSession(file, StopSignal(), statementTimeout: nil)
        try other.command("BEGIN IMMEDIATE")
        let runtime = RecordingRuntime(["lite": connection])
        await #expect {
            _ = try await SQLOperator<JSONValue>.sql("INSERT INTO t VALUES (1)", connection: "lite")
                .execute(TaskContext(runtime: runtime))
        } throws: { "\($0)".contains("another holds a lock") }
        other.close()
    }

    @Test("connections that cannot be are said without their password")
    func connections() async throws {
        let databases = try Databases()
        let good = try #require(databases.connections["pg"])
        var wrong = good
        wrong.password = "wr0ng-w0rd"
        var closed = good
        closed.port = 1
        var misspelt = good
        misspelt.extra = ["ssl_mode": "disable"]
        let cases: [(Connection, String)] = [
            (wrong, "password authentication failed"), (closed, "refused"), (misspelt, "did you mean 'sslmode'"),
            (Connection(type: "mysql", host: "x"), "postgres, redshift or sqlite"),
            (Connection(type: "sqlite", host: "relative.db"), "absolute path"),
            (
                Connection(type: "sqlite", host: "/x", extra: ["create": "maybe"]),
                "'create' in the extra of the connection 'x' is yes or no"
            ),
            (Connection(type: "sqlite", host: databases.folder + "/none.db"), "there is no file"),
            (Connection(type: "postgres", host: "a,b"), "one name"),
        ]
        for (connection, words) in cases {
            let runtime = RecordingRuntime(["x": connection])
            await #expect {
                _ = try await SQLOperator<JSONValue>.sql("SELECT 1", connection: "x").execute(
                    TaskContext(runtime: runtime))
            } throws: { "\($0)".contains(words) && !"\($0)".contains("wr0ng") && !"\($0)".contains("secret word") }
        }
        let runtime = databases.runtime()
        _ = try await SQLOperator<JSONValue>.sql(
            "CREATE TABLE n (x int); INSERT INTO n VALUES (1), (2); SELECT * FROM n", connection: "pg"
        )
        .execute(TaskContext(runtime: runtime))
        let lines = runtime.lines.withLock { $0 }
        #expect(lines.contains("info line 1: 2 rows changed") && lines.contains("info line 1: 2 rows"), "\(lines)")
    }

    @Test("a check fails unless every value of the first row is true")
    func checks() async throws {
        let databases = try Databases(postgres: false)
        let context = TaskContext(runtime: databases.runtime())
        let row = try await SQLCheckOperator.sqlCheck(
            "SELECT 1 AS a, 'x' AS b, $1 > 2 AS c", connection: "lite", parameters: [3]
        )
        .execute(context)
        #expect(row == ["a": 1, "b": "x", "c": 1])
        for (text, words) in [
            ("SELECT 1 AS a, 0 AS b, NULL AS c", "b is 0, c is null"), ("SELECT 1 WHERE 0", "gave no row"),
            ("SELECT '' AS e", "e is \"\""),
        ] {
            let error = await databases.failure(SQLCheckOperator.sqlCheck(text, connection: "lite"))
            #expect("\(error)".contains(words), "\(error)")
        }
    }

    @Test("a text is taken apart at semicolons that end statements, and nowhere else")
    func script() throws {
        func texts(_ text: String) throws -> [String] { try SQLScript.statements(of: text).map(\.text) }
        #expect(
            try texts("a ';' \";\" $$;$$ $x$;$$;$x$ /* ; /* ; */ ; */ -- ;\n; b") == [
                "a ';' \";\" $$;$$ $x$;$$;$x$ /* ; /* ; */ ; */ -- ;", "b",
            ])
        #expect(try texts("E'\\';' ; 'a\\'; 'b''c;'") == ["E'\\';'", "'a\\'", "'b''c;'"])
        #expect(try texts(";; ;") == [])
        let statement = try SQLScript.statements(of: "\n\nselect $3, $1, a$2, $3, '$4'").first
        #expect(
            statement?.text == "select $1, $2, a$2, $1, '$4'" && statement?.parameters == [3, 1] && statement?.line == 3
        )
        for bad in ["'a", "\"a", "/* /* */", "$a$ b $", "$0", "$99999"] {
            #expect(throws: NonRetryable.self, "\(bad)") { try SQLScript.statements(of: bad) }
        }
    }
}

extension SQLOperator {
    fileprivate func with(_ path: String, parameters: [JSONValue]) -> SQLOperator {
        var changed = self
        changed.sql = .file(path)
        changed.parameters = parameters
        return changed
    }
}
