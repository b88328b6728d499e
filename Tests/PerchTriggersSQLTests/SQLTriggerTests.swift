// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import PerchTriggersSQL
import Testing

struct SQLTriggerTests {
    private func trigger(_ trigger: SQLTrigger) -> SQLTrigger { trigger }

    @Test("A trigger survives being stored, and what is missing has its default")
    func coding() throws {
        let server = SQLDatabase.postgres(
            host: "db", port: 5_433, database: "jobs", user: "perch", password: .secret("JOBS_DB"), tls: .verifyFull,
            ca: "/etc/ca.pem")
        let conditions: [SQLCondition] = [
            .truthy, .anyRow, .noRow, .rows(atLeast: 7), .value(equals: 3), .value(in: ["a", "b"]),
            .column("the state", .matches("^D")), .all([.truthy, .any([.anyRow, .not(.truthy)])]),
        ]
        for condition in conditions {
            let whole = trigger(
                .sql("SELECT $1", [1, "x", .null], on: server, every: .seconds(5), until: condition))
            #expect(try TriggerSpec(whole).trigger(as: SQLTrigger.self) == whole)
            #expect(whole.problems.isEmpty, "\(whole.problems)")
        }
        let short = try JSONValue(parsing: #"{"query": "SELECT 1", "database": {"sqlite": "/x.db"}}"#)
        #expect(try short.decode(SQLTrigger.self) == trigger(.sql("SELECT 1", on: .sqlite("/x.db"))))
    }

    @Test("What is wrong with a trigger is said in a sentence")
    func problems() {
        let cases: [(SQLTrigger, String)] = [
            (.sql(" ", on: .sqlite("/x")), "the query is empty"),
            (.sql("SELECT 1", on: .sqlite("x.db")), "it is the absolute path of a file"),
            (.sql("SELECT 1\0", on: .sqlite("/x")), "zero byte"),
            (.sql("SELECT ?", ["\0"], on: .sqlite("/x")), "zero byte"),
            (.sql("SELECT 1", on: .sqlite("/x"), every: .zero), "the shortest is"),
            (.sql("SELECT 1", on: .sqlite("/x"), timeout: .zero), "a millisecond at least"),
            (.sql("SELECT 1", on: .sqlite("/x"), until: .rows(atLeast: 0)), "from 1 to 100000"),
            (.sql("SELECT 1", on: .sqlite("/x"), until: .any([])), "never true"),
            (.sql("SELECT 1", on: .sqlite("/x"), until: .column("a'b", equals: 1)), "$['a'b']"),
            (.sql("SELECT 1", on: .postgres(host: "", database: "d", user: "u")), "the host is empty"),
            (.sql("SELECT 1", on: .postgres(host: "a,b", database: "d", user: "u")), "one name"),
            (.sql("SELECT 1", on: .postgres(host: "a", port: 0, database: "d", user: "u")), "the port is 0"),
            (.sql("SELECT 1", on: .postgres(host: "a", database: "postgres://u:p@h/d", user: "u")), "not a connection"),
            (
                .sql("SELECT 1", on: .postgres(host: "a", database: "d", user: "u", password: .secret("a b"))),
                "letters, digits"
            ),
        ]
        for (trigger, words) in cases {
            #expect(trigger.problems.contains { $0.contains(words) }, "\(words): \(trigger.problems)")
        }
    }

    @Test("A password is a reference: a text is not taken, and the target names none")
    func passwords() throws {
        let text =
            #"{"query": "SELECT 1", "database": {"postgres": {"host": "h", "database": "d", "user": "u", "password": "p"}}}"#
        #expect(throws: (any Error).self) { try JSONValue(parsing: text).decode(SQLTrigger.self) }
        let whole = trigger(
            .sql(
                "SELECT\n  1", [2],
                on: .postgres(host: "::1", database: "d", user: "u", password: .environment("DB_PASSWORD"))))
        #expect(whole.target == "postgres://u@[::1]:5432/d SELECT 1 with [2]")
    }

    @Test("A whole address is a reference: it is stored and shown as such, and only what can be an address is taken")
    func addresses() throws {
        let whole = trigger(.sql("SELECT 1", on: .connection("orders")))
        #expect(whole.target == "conn:orders.uri SELECT 1" && whole.problems.isEmpty)
        let spec = try TriggerSpec(whole)
        #expect(spec.definition["database"] == .object(["secret": "conn:orders.uri"]))
        #expect(try spec.trigger(as: SQLTrigger.self) == whole)
        #expect(SecretReference.all(in: spec.definition).map(\.name.name) == ["orders"])
        let wrong: [(SQLDatabase, String)] = [
            (.secret("conn:orders.password"), "the whole of a connection, conn:ID.uri"),
            (.secret("a b"), "letters, digits"), (.connection("a b"), "the id of the connection"),
            (.secret("postgres://u:p@h/d"), "letters, digits"),
        ]
        for (database, words) in wrong {
            #expect(database.problems.contains { $0.contains(words) }, "\(words): \(database.problems)")
        }
        #expect(SQLDatabase.secret("ORDERS_DB").problems.isEmpty && SQLDatabase.secret("var:orders").problems.isEmpty)
    }

    @Test("A condition that is none is refused with the names of those that are")
    func unknownCondition() throws {
        for text in [#"{"rowz": 1}"#, #"{"rows": 1, "truthy": true}"#, "{}", #"{"truthy": false}"#] {
            #expect(throws: (any Error).self) { try JSONValue(parsing: text).decode(SQLCondition.self) }
        }
    }
}
