// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchYAML

@Suite("The JSON Schema of YAML DAGs")
struct SchemaTests {
    let check = SchemaCheck(root: DAGSchema.json)

    @Test("the examples are right by the reader and by the schema") func examples() throws {
        let texts = try exampleTexts()
        #expect(texts.count >= 3)
        for (name, text) in texts.sorted(by: { $0.key < $1.key }) {
            #expect(DAGFile(text, file: name).problems == [], "\(name)")
            for document in try YAMLDocument.all(in: text) {
                #expect(try check.accepts(document.json), "\(name)")
            }
        }
    }

    @Test(
        "what the shapes refuse the schema refuses",
        arguments: [
            "id: d", "tasks: []", "id: d\ntasks: {}", "id: d\ntasks: []\nnope: 1", "id: d\ntasks: []\ncatchup: maybe",
            "id: d\ntasks: []\nmax_active_runs: 0", "id: d\ntasks: []\nrun_timeout: 30", "id: d\ntasks: [{id: a}]",
            "id: d\ntasks: [{id: a, bash: x, http: http://y}]", "id: d\ntasks: [{id: a, bash: x, timeout: 5s}]",
            "id: d\ntasks: [{id: a, empty: true, retries: 3}]", "id: d\ntasks: [{group: g}]",
            "id: d\ntasks: [{id: a, sensor: {file: /a, event: b}}]", "id: d\ntasks: [{id: a, sensor: {}}]",
            "id: d\ntasks: [{id: a, sensor: {http: {url: http://x, until: {json: {path: $.a}}}}}]",
            "id: d\ntasks: []\nschedule: {event: a, asset: b}", "id: d\ntasks: []\nschedule: {key: b}",
            "id: d\ntasks: [{id: a, bash: x, trigger_rule: sometimes}]",
            "id: d\ntasks: []\nparams: {p: {type: int}}", "id: d\ntasks: []\nparams: {p: {default: a, enum: [a]}}",
            "id: d\ntasks: []\nparams: {p: {type: string, default: a, required: true}}",
            "id: d\ntasks: []\nparams: {p: {type: string, nope: a}}",
            "id: d\ntasks: []\nschedule: {asset: {all: a}}",
            "id: d\ntasks: []\nschedule: {asset: {all: [a], any: [b]}}",
            "id: d\ntasks: []\nschedule: {cron: '@daily', calendar: {}}",
            "id: d\ntasks: []\nschedule: {cron: '@daily', calendar: someday}",
            "id: d\ntasks: [{id: a, bash: x, over: [b, c]}]",
            "id: d\ntasks: [{id: a, bash: x, over: {product: [b, c]}}]",
            "id: d\ntasks: [{id: a, bash: x, over: {task: b, zip: {c: c, d: d}}}]",
            "id: d\ntasks: [{id: a, run_dag: {params: {}}}]",
            "id: d\ntasks: [{id: a, run_dag: b, execution_timeout: 5s}]",
            "id: d\ntasks: [{id: a, sensor: {process: {pid: 0, start_time: 1, boot_id: b, host: h}}}]",
        ])
    func refused(_ text: String) throws {
        #expect(Read(text).problems != [])
        for document in try YAMLDocument.all(in: text) { #expect(try !check.accepts(document.json), "\(text)") }
    }

    @Test("every key of every shape says what it is for") func summaries() {
        func look(_ value: JSONValue, _ path: String) {
            guard case .object(let members) = value else { return }
            if case .object(let properties)? = members["properties"] {
                for (name, schema) in properties where members["additionalProperties"] == false {
                    guard case .object = schema else { continue }
                    let inner = schema["anyOf"] == nil ? [schema] : Self.list(schema["anyOf"]) + [schema]
                    let isSaid = inner.contains { $0["description"] != nil || $0 == true }
                    #expect(isSaid, "\(path).\(name)")
                }
            }
            for (name, member) in members { look(member, "\(path).\(name)") }
        }
        look(DAGSchema.json, "$")
    }

    private static func list(_ value: JSONValue?) -> [JSONValue] {
        if case .array(let elements)? = value { elements } else { [] }
    }
}
