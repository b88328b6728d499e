// SPDX-License-Identifier: Apache-2.0

import PerchOperators
import PerchSDK
import Testing

@testable import PerchYAML

@Suite("Operators and callbacks in YAML")
struct OperatorKeysTests {
    private func code<O: Operator>(_ text: String, _ type: O.Type, _ location: SourceLocation = #_sourceLocation) throws
        -> O
    {
        let document = try #require(try YAMLDocument.all(in: text).first, sourceLocation: location)
        var reader = ShapeReader()
        let read = reader.read(document, as: .named("callback"), "x")
        #expect(reader.problems == [], sourceLocation: location)
        var problems: [YAMLProblem] = []
        let code = Operators.code(of: try #require(read, sourceLocation: location), &problems)
        #expect(problems == [], sourceLocation: location)
        let check = SchemaCheck(root: DAGSchema.json)
        let dag = "id: d\ntasks:\n- id: a\n  " + text.replacing("\n", with: "\n  ")
        for document in try YAMLDocument.all(in: dag) {
            #expect(try check.accepts(document.json), sourceLocation: location)
        }
        return try #require(code as? O, sourceLocation: location)
    }

    @Test("Python: a script, a file, or a function with arguments") func python() throws {
        #expect(try code("python: result = 1", PythonOperator<JSONValue>.self).code == .script("result = 1"))
        #expect(
            try code("python: {file: /a.py, kill_grace: 1s}", PythonOperator<JSONValue>.self).code == .file("/a.py"))
        let call = try code(
            "python: {function: f, of: m, arguments: {a: 1, b: [x]}, interpreter: /venv}",
            PythonOperator<JSONValue>.self)
        #expect(call.code == .function("f", of: "m", arguments: ["a": 1, "b": ["x"]]) && call.interpreter == "/venv")
    }

    @Test("a shell command of a worker, or one that is detached") func bash() throws {
        let plain = try code("bash: {command: ls, working_directory: /in}", BashOperator.self)
        #expect(plain.command == "ls" && plain.workingDirectory == "/in")
        let detached = try code(
            "bash: {command: ls, detached_in: '/in/{{ ds }}', kill_grace: 1s}", DetachedBashOperator.self)
        #expect(detached.folder == "/in/{{ ds }}" && detached.killGrace == .seconds(1))
    }

    @Test("SQL with its parameters and bounds, and checks") func sql() throws {
        let sql = try code(
            """
            sql:
              connection: shop
              text: SELECT $1
              parameters: ["{{ ds }}", 2, null]
              result: value
              autocommit: true
              maximum_rows: 5
              maximum_output_size: 100
              statement_timeout: 30s
            """, SQLOperator<JSONValue>.self)
        #expect(sql.sql == .text("SELECT $1") && sql.connection == "shop" && sql.parameters == ["{{ ds }}", 2, nil])
        #expect(sql.result == .value && sql.autocommit && sql.maximumRows == 5 && sql.maximumOutputSize == 100)
        #expect(sql.statementTimeout == .seconds(30))
        #expect(try code("sql_check: {connection: a, file: /x.sql}", SQLCheckOperator.self).sql == .file("/x.sql"))
    }

    @Test("transfers between every source and target") func transfers() throws {
        func places(_ from: String, _ to: String) throws -> TransferOperator {
            try code("transfer: {from: {\(from)}, to: {\(to)}}", TransferOperator.self)
        }
        var transfer = try places("csv: /a.csv", "table: {name: t, connection: c, mode: upsert, keys: id}")
        #expect(
            transfer.source == .csv("/a.csv")
                && transfer.target == .table("t", connection: "c", mode: .upsert(keys: ["id"])))
        transfer = try places("sql: {connection: c, text: SELECT 1}", "json_lines: /a")
        #expect(transfer.source == .sql("SELECT 1", connection: "c") && transfer.target == .jsonLines("/a"))
        transfer = try places("http: {url: 'http://x', rows: $.a, next: link}", "json: /a")
        #expect(transfer.source == .http("http://x", rows: "$.a", next: .link) && transfer.target == .json("/a"))
        transfer = try places("json: /a", "http: {url: /b, connection: c, format: csv, method: PUT}")
        #expect(transfer.target == .http("/b", as: .csv, connection: "c", method: "PUT"))
        transfer = try code(
            """
            transfer:
              from: {csv: {path: /a, delimiter: ";", header: false, names: [a, b], "null": "-", encoding: windows-1252}}
              to: {table: {name: t, connection: c, mode: replace}}
              columns: [a, {name: b, as: c, type: integer}]
              batch_size: 10
            """, TransferOperator.self)
        let format = CSVFormat(delimiter: ";", hasHeader: false, names: ["a", "b"], null: "-", encoding: .windows1252)
        #expect(
            transfer.source == .csv("/a", format) && transfer.target == .table("t", connection: "c", mode: .replace))
        #expect(transfer.columns == ["a", TransferColumn("b", as: "c", .integer)] && transfer.batchSize == 10)
    }

    @Test("mails and webhooks") func notifiers() throws {
        let mail = try code(
            """
            email:
              to: [a@b.org, "{{ params.to }}"]
              cc: c@d.org
              subject: "{{ element.task_id }}"
              html: <p>
              attachments: [/a.csv, {path: /b, name: c, type: text/plain}]
              connection: smtp
            """, EmailOperator.self)
        #expect(
            mail.to == ["a@b.org", "{{ params.to }}"] && mail.cc == ["c@d.org"] && mail.html == "<p>"
                && mail.text == nil)
        #expect(
            mail.attachments == ["/a.csv", EmailAttachment("/b", name: "c", type: "text/plain")]
                && mail.connection == "smtp")
        #expect(try code("webhook: http://x", WebhookOperator.self).url == "http://x")
        let hook = try code("webhook: {connection: c, body: {a: [1, \"{{ ds }}\"]}, secret: s}", WebhookOperator.self)
        #expect(hook.body == ["a": [1, "{{ ds }}"]] && hook.secret == "s" && hook.connection == "c")
    }

    @Test("what happens to a task or a run calls back what is named, each with an id of its own") func callbacks()
        throws
    {
        let dag = try Read(
            """
            id: d
            on_failure: {bash: "echo '{{ element.message }}'"}
            on_deadline:
            - {after: 2h, webhook: http://x}
            - {after: 3h, bash: echo}
            tasks:
            - id: a
              bash: echo
              on_failure: [{bash: "true"}, {email: {to: a@b.org, subject: "{{ element.task_id }}", text: t}}]
              on_retry: {bash: "true"}
            - group: g
              tasks:
              - id: b
                sensor: {time: {after: 1s}}
                on_success: {bash: "true"}
                on_skipped: {bash: "true"}
                on_defer: {bash: "true"}
            """
        ).dag()
        let called = dag.tasks.filter { $0.callback != nil }
        #expect(
            called.map(\.taskID) == [
                "on_failure", "on_deadline", "on_deadline_2", "on_failure_of_a", "on_failure_of_a_2", "on_retry_of_a",
                "g.on_success_of_b", "g.on_skipped_of_b", "g.on_defer_of_b",
            ])
        #expect(called[0].callback == CallbackDefinition(on: [.failure]))
        #expect(called[2].callback == CallbackDefinition(on: [.deadline(.hours(3))]))
        #expect(called[4].callback == CallbackDefinition(on: [.failure], of: [0]))
        #expect(called[8].callback == CallbackDefinition(on: [.deferred], of: [1]))
        #expect(called[4].kind == .code(operatorName: "EmailOperator"))
    }

    @Test(
        "what is wrong is told with its place",
        arguments: [
            ("- {id: a, sql: {text: x}}", "3:16 SQL has no 'connection'"),
            ("- {id: a, sql: {connection: c}}", "3:16 SQL has one of 'text' and 'file'"),
            ("- {id: a, sql: SELECT}", "3:16 'sql' is a mapping"),
            ("- {id: a, sql: {connection: c, sql: x}}", "3:32 SQL has no 'sql'; here it is called 'text'"),
            ("- {id: a, sql: {connection: c, text: x, result: all}}", "3:49 'result' is one of rows, row, value"),
            ("- {id: a, python: {function: f}}", "3:20 'function' of Python code stands beside 'of' only"),
            ("- {id: a, email: {to: x, subject: s, text: t}}", "3:18 email: 'x' in 'to' is no address"),
            ("- {id: a, email: {subject: s, text: t}}", "3:18 a mail has no 'to'"),
            ("- {id: a, email: {to: a@b, subject: s}}", "3:18 a mail has one of 'text' and 'html'"),
            ("- {id: a, webhook: {text: t}}", "3:20 a webhook has one of 'url' and 'connection'"),
            ("- {id: a, webhook: ftp://x}", "3:20 webhook: the URL"),
            ("- {id: a, transfer: {from: {csv: /a}}}", "3:21 a transfer has no 'to'"),
            (
                "- {id: a, transfer: {from: {csv: /a, json: /b}, to: {csv: /c}}}",
                "3:38 a source has either 'csv' or 'json'"
            ),
            (
                "- {id: a, transfer: {from: {csv: /a}, to: {table: {name: t, connection: c, mode: upsert}}}}",
                "3:21 transfer: an upsert has the keys"
            ),
            (
                "- {id: a, transfer: {from: {csv: /a}, to: {table: {name: t, connection: c, mode: append, keys: x}}}}",
                "3:96 transfer: 'keys' of a table stands beside 'mode: upsert' only"
            ),
            (
                "- {id: a, transfer: {from: {csv: {path: /a, delimiter: ';;'}}, to: {csv: /c}}}",
                "3:21 transfer: the delimiter"
            ),
            ("- {id: a, bash: x, on_failure: {}}", "3:32 a callback has one of 'bash'"),
            (
                "- {id: a, bash: x, on_failure_callback: {bash: y}}",
                "3:20 a task has no 'on_failure_callback'; here it is called 'on_failure'"
            ),
            (
                "- {id: a, bash: x, on_failure: {bash: '{{ elemen.x }}'}}",
                "3:39 'bash': template 1:4: 'elemen' is unknown"
            ),
            ("- {id: on_failure_of_a, bash: x}\n- {id: a, bash: x, on_failure: {bash: y}}", "4:"),
        ])
    func problems(_ text: String, _ problem: String) {
        let problems = Read.tasks(text).problems
        #expect(problems.contains { $0.hasPrefix(problem) }, "\(problems)")
    }
}
