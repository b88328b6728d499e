// SPDX-License-Identifier: Apache-2.0

import PerchOperators
import PerchSDK
import Testing

@Suite("Ready operators in DAGs")
struct OperatorDeclarationTests {
    private struct Order: Codable, Sendable {
        var id: Int
    }

    @Test("they are declared as tasks with typed outputs, and as callbacks")
    func declared() {
        let dag = DAG("d", schedule: .manual) { dag in
            let orders = dag.add(
                "orders", .sql("SELECT id FROM orders", connection: "shop", returning: [Order].self))
            let sizes = dag.map("sizes", over: orders) { _, order in order.id }
            dag.add(
                "rows", .sql("DELETE FROM t WHERE d = $1", connection: "shop", parameters: ["{{ ds }}"]), after: sizes)
            dag.add("file", .sql(file: "/a.sql", connection: "shop", result: .value))
            dag.add("check", .sqlCheck("SELECT 1", connection: "shop"))
            let carried = dag.add(
                "carry",
                .transfer(
                    from: .csv("/in/{{ ds }}.csv"),
                    to: .table("orders", connection: "shop", mode: .upsert(keys: ["id"])),
                    columns: ["id", TransferColumn("amount", as: "total", .number)]))
            dag.task("count", carried) { _, report in report.rows }
            dag.add("tell", .email(to: "a@b.org", "c@d.org", subject: "{{ ds }}", text: "x", attachments: ["/a.csv"]))
            dag.on(.failure, do: .email(to: "a@b.org", subject: "{{ element.run_id }}", text: "{{ element.message }}"))
            dag.on(.failure, of: carried, do: .webhook(connection: "slack", text: "{{ element.message }}"))
        }
        #expect(dag.problems.map(\.message) == [])
        #expect(
            dag.definition.tasks.filter { $0.callback != nil }.map(\.taskID) == ["on_failure", "on_failure_of_carry"])
    }

    @Test("what is wrong with one is a problem of the declaration")
    func problems() {
        let dag = DAG("d", schedule: .manual) { dag in
            dag.add("a", .sql("SELECT '{{ dss }}'", connection: "shop"))
            dag.add("b", .sql(" ", connection: "shop"))
            dag.add("c", .transfer(from: .csv(""), to: .json("/x"), batchSize: 0))
            dag.add("d", .bash(" ", detachedIn: "data", killGrace: .seconds(-1)))
            dag.on(.failure, do: .email(to: "nobody", subject: "s"))
        }
        let words = dag.problems.map(\.message)
        #expect(words.count == 9, "\(words)")
        for part in [
            "'dss' is unknown", "the SQL text is empty", "the path of a file is empty", "batchSize is 0",
            "neither 'text' nor 'html'", "the command is empty", "an absolute path, not 'data'",
            "killGrace is negative",
        ] {
            #expect(words.contains { $0.contains(part) }, "\(words)")
        }
    }
}
