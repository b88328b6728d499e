// SPDX-License-Identifier: Apache-2.0

import FuzzSupport
import PerchSDK
import Testing

@testable import PerchYAML

@Suite("Fuzz: YAML DAGs")
struct YAMLFuzzTests {
    private static let again = """
        id: e
        schedule: {asset: [a, {all: [b, {any: [c, d]}]}], cron: 0 6 * * fri-mon, calendar: {weekdays: workdays, except: 12-25}}
        tasks: []
        """
    private static let more = """
        id: d
        schedule: {event: a, where: {all: [{path: $.a, in: [1, x]}, {not: {path: $.b, exists: true}}]}, batch: 3}
        params: {n: {type: integer, default: 3, minimum: 1}, s: {type: array, items: string, default: []}, o: {k: v}}
        defaults: &o {retries: 2, retry_delay: 1m30s}
        tasks:
        - {<<: *o, id: a, sensor: {any: [{file: /a}, {not: {wait: {event: b}, within: 1m}}]}, timeout: 1d}
        - {id: b, over: a, http: {url: "https://x/{{ element }}", headers: {a: b}, output: json}, limits: [2, {slots: 1}]}
        - group: g
          after: [a, {task: b, when: [x, true]}]
          tasks: [{id: c, latest_only: true}, {id: t, bash: "x", teardown: {setups: c, fails_run: true}}]
        - {id: r, run_dag: {dag_id: x, params: {a: "{{ ds }}"}, output_of: t}, timeout: 1h}
        - {id: p, over: {product: {x: a2, y: r}}, bash: "echo {{ element.x }}"}
        - {id: a2, bash: {command: "echo []", output: json}}
        - {id: w, sensor: {process: {pid: "{{ params.n }}", start_time: 1, boot_id: b, host: h}}}
        - {id: s, sensor: {sql: {query: SELECT 1, database: {postgres: {host: h, database: d, user: u}}}}}
        """

    @Test("whatever stands in a file is a DAG that the engine can read, or problems with places in the file")
    func files() throws {
        let texts = try exampleTexts().sorted { $0.key < $1.key }.map(\.value) + [Self.more, Self.again]
        let check = SchemaCheck(root: DAGSchema.json)
        try SmallStack.run {
            try Fuzz.run("YAML DAGs", count: 1_500) { source in
                var text = source.mutated(source.pick(texts), with: source.pick(texts))
                if source.one(in: 10) { text = source.text(0...40) }
                let file = DAGFile(text, file: "f.yaml")
                try Fuzz.check(file.problems.isEmpty != file.dags.isEmpty, "neither DAGs nor problems, or both")
                let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).count
                for problem in file.problems {
                    try Fuzz.checkMessage(problem.message)
                    try Fuzz.check(
                        problem.line >= 1 && problem.line <= lines + 1 && (problem.column ?? 0) >= 1,
                        "the place \(problem.line):\(problem.column ?? 0) of \(lines) lines")
                }
                for dag in file.dags {
                    let read = try DAGDefinition(parsing: dag.definition.text)
                    try Fuzz.same(read, dag.definition, "the definition")
                    try Fuzz.check(dag.problems.isEmpty, "\(dag.problems)")
                }
                guard file.problems.isEmpty else { return }
                for document in try YAMLDocument.all(in: text) {
                    try Fuzz.check(try check.accepts(document.json), "the schema refuses what the reader takes")
                }
            }
        }
    }

    @Test("found by thinking: deep nesting, many aliases and long files are refused, on a small stack") func bounds()
        throws
    {
        try SmallStack.run {
            for opening in ["[", "{a: ", "- ", "? "] {
                let text = String(repeating: opening, count: 990)
                try Fuzz.check(!DAGFile(text, file: "f").problems.isEmpty, "taken: \(opening)")
                try Fuzz.check(!DAGFile("a: " + text, file: "f").problems.isEmpty, "taken: \(opening)")
            }
            var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
            for level in 1..<12 {
                let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
                bomb += "a\(level): &a\(level) [\(aliases)]\n"
            }
            let problem = DAGFile(bomb, file: "f").problems.first?.message ?? ""
            try Fuzz.check(problem.contains("more than 200000 values"), problem)
        }
    }

    @Test(
        "scalars are what the core schema of YAML 1.2 says",
        arguments: [
            ("1", JSONValue.integer(1)), ("-1", -1), ("+1", 1), ("0", 0), ("007", "007"), ("0x1F", 31), ("0o17", 15),
            ("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("-1.5E-1", -0.15), (".", "."), ("1e", "1e"),
            ("-", "-"),
            ("1_000", "1_000"), ("1:30", "1:30"), ("2026-01-01", "2026-01-01"), ("yes", "yes"), ("on", "on"),
            ("true", true),
            ("False", false), ("null", nil), ("~", nil), ("", nil), (".inf", ".inf"), ("0x-1", "0x-1"),
            ("99999999999999999999", 1e20),
        ])
    func scalars(_ text: String, _ value: JSONValue) {
        #expect(YAMLValue(content: YAMLScalar.content(of: text), place: YAMLPlace(line: 1, column: 1)).json == value)
    }
}
