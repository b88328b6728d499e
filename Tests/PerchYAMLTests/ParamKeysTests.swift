// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchYAML

@Suite("Params with types in YAML")
struct ParamKeysTests {
    private static func params(_ text: String, schedule: String = "none") -> Read {
        Read("id: d\nschedule: \(schedule)\nparams:\n  p: \(text)\ntasks: []\n")
    }

    static let table: [(String, Param)] = [
        ("{type: string}", Param.string()), ("{type: string, default: a, required: null}", Param.string("a")),
        (
            "{type: string, pattern: '[A-Z]+', min_length: 1, max_length: 3}",
            Param.string(matching: "[A-Z]+", length: 1...3)
        ),
        (
            "{type: integer, default: 10, minimum: 1, maximum: 100, description: How many}",
            Param.integer(10, in: 1...100, "How many")
        ),
        ("{type: number, default: 1, minimum: 0.5, maximum: 2}", Param(1, schema(.number, 0.5, 2))),
        ("{type: boolean, default: true}", Param.boolean(true)),
        ("{type: string, enum: [eu, us], default: eu}", Param.choice("eu", of: "eu", "us")),
        ("{type: array, items: string, default: [a]}", Param.array(["a"], of: .string)),
        (
            "{type: array, items: {type: integer}, min_items: 1, max_items: 2}",
            Param(nil, schema(.array, 1, 2, .integer))
        ),
        ("{type: object, default: {type: string}}", Param(["type": "string"], ParamSchema(.object))),
        ("{type: string, required: true}", Param.string()),
        // What has other keys is a default, as it stands.
        ("{folder: /data, kind: x}", Param(["folder": "/data", "kind": "x"])), ("{}", Param([:])),
        ("", Param(JSONValue.null)),
    ]

    @Test(
        "each type with its bounds is what it is in Swift",
        arguments: table)
    func types(_ text: String, _ param: Param) throws {
        let dag = try Self.params(text).dag()
        let swift = DAG("d", params: ["p": param]) { _ in }.definition
        #expect(dag.params == swift.params)
        #expect(dag.paramSchemas == swift.paramSchemas)
        #expect(dag.paramsSchema == swift.paramsSchema)
    }

    private static func schema(
        _ kind: ParamSchema.Kind, _ minimum: Double, _ maximum: Double, _ items: ParamSchema.Kind? = nil
    ) -> ParamSchema {
        var schema = ParamSchema(kind)
        schema.minimum = minimum
        schema.maximum = maximum
        schema.items = items
        return schema
    }

    @Test("what a run is given is held against the types, and the types are its schema")
    func values() throws {
        let dag = try Self.params("{type: integer, minimum: 1, maximum: 10}").dag()
        #expect(dag.problem(ofParams: ["p": 11]) == "the param 'p' is 11; it is at most 10")
        #expect(dag.problem(ofParams: ["p": "x"]) == "the param 'p' is an integer, not \"x\"")
        #expect(dag.problem(ofParams: [:]) == "the DAG 'd' needs the param 'p'")
        #expect(dag.problem(ofParams: ["p": 10]) == nil)
        #expect(dag.paramsSchema["required"] == ["p"])
        #expect(dag.paramsSchema["properties"]?["p"]?["maximum"] == 10)
    }

    @Test("a param without a default is for runs by hand, and for those whose events give it")
    func required() throws {
        #expect(
            Self.params("{type: string}", schedule: "'@daily'").problems == [
                "4:6 the param 'p' has no default, and nobody gives one to runs that are scheduled"
            ])
        let events = Self.params("{type: string}", schedule: "{event: e, event_params: {p: $.x}}")
        #expect(try events.dag().requiredParams == ["p"])
    }

    @Test(
        "what is wrong in a param is told with its place and with what would be right",
        arguments: [
            ("{type: int}", "4:13 'type' is one of string, integer"),
            ("{type: date}", "4:13 'type' is one of string, integer"),
            (
                "{default: eu, enum: [eu]}",
                "4:6 a param with a type has no 'type': what it is; a default that is a mapping"
            ),
            (
                "{type: string, default: x, minLength: 3}",
                "4:33 a param with a type has no 'minLength'; here it is called 'min_length'"
            ),
            (
                "{type: string, default: x, choices: [x]}",
                "4:33 a param with a type has no 'choices'; here it is called 'enum'"
            ),
            (
                "{type: string, minimum: 3}",
                "4:21 'minimum' is not for the type string of 'p'; it may have 'min_length', 'max_length' and 'pattern'"
            ),
            ("{type: boolean, pattern: x}", "4:22 'pattern' is not for the type boolean of 'p'"),
            ("{type: integer, minimum: low}", "4:31 'minimum' is a number, not 'low'"),
            ("{type: string, min_length: -1}", "4:33 'min_length' is a whole number from 0 to"),
            ("{type: string, default: x, required: true}", "4:21 a param with a type with 'required' has no 'default'"),
            ("{type: string, required: false}", "4:31 'required' is true, or left out, not false"),
            ("{type: integer, default: x}", "4:6 the default of the param 'p': it is an integer, not \"x\""),
            ("{type: string, default: null}", "4:6 the default of the param 'p': it is a string, not null"),
            ("{type: integer, enum: [1, x]}", "4:6 the param 'p' has the choice \"x\", which is no integer"),
            ("{type: string, enum: []}", "4:6 the param 'p' is a choice of nothing"),
            ("{type: string, enum: x}", "4:27 'enum' is a list: a line with '- ' for each, not 'x'"),
            ("{type: integer, minimum: 5, maximum: 4}", "4:6 the param 'p' is at least 5"),
            ("{type: string, pattern: '('}", "4:6 the param 'p' has a wrong pattern"),
            ("{type: array, items: {kind: string}}", "4:28 a type of elements has no 'kind'"),
            ("{type: string, hint: x}", "4:21 a param with a type has no 'hint'; it has type, default"),
        ])
    func wrong(_ text: String, _ problem: String) {
        let problems = Self.params(text).problems
        #expect(problems.contains { $0.hasPrefix(problem) }, "\(problems)")
    }
}
