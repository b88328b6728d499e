// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import PerchSDK

@Suite("Params of runs")
struct ParamTests {
    private let release = DAG(
        "release",
        params: [
            "folder": "/data/in", "region": .choice("eu", of: "eu", "us"),
            "percent": .integer(10, in: 1...100, "How many of the users"),
            "order": .string(matching: "[A-Z]-[0-9]+", length: 3...6), "share": .number(0.5, in: 0...1),
            "isLoud": .boolean(false), "hosts": .array(["a"], of: .string),
        ]
    ) { _ in }

    private func problem(_ given: [String: JSONValue]) throws -> String? {
        // As it is stored and read again.
        let definition = try DAGDefinition(parsing: release.definition.text)
        #expect(definition == release.definition)
        return definition.problem(ofParams: definition.params.merging(given) { _, new in new })
    }

    @Test("what fits its type and bounds is taken, what does not is named with what would be right")
    func checked() throws {
        #expect(release.problems.isEmpty, "\(release.problems)")
        #expect(try problem(["order": "A-17"]) == nil)
        #expect(try problem(["order": "A-17", "folder": 7, "share": 1, "hosts": []]) == nil)
        let wrong: [([String: JSONValue], String)] = [
            ([:], "the DAG 'release' needs the param 'order'"),
            (["order": "A-17", "regoin": "us"], "has no param 'regoin'; there is folder, hosts, isLoud, order"),
            (["order": "A-17", "region": "asia"], #"'region' is one of "eu", "us", not "asia""#),
            (["order": "A-17", "percent": 0], "'percent' is 0; it is at least 1"),
            (["order": "A-17", "percent": 1.5], "'percent' is an integer, not 1.5"),
            (["order": "A-17", "percent": "10"], #"'percent' is an integer, not "10""#),
            (["order": "x A-17"], "'order' is 'x A-17', which does not match [A-Z]-[0-9]+"),
            (["order": "A-17777"], "'order' has 7 characters; it is at most 6"),
            (["order": "A-17", "share": 1.5], "'share' is 1.5; it is at most 1"),
            (["order": "A-17", "isLoud": nil], "'isLoud' is a boolean, not null"),
            (["order": "A-17", "hosts": ["a", 1]], "'hosts' has the element 1, 1, which is no string"),
        ]
        for (given, words) in wrong {
            let found = try problem(given)
            #expect(found?.contains(words) == true, "\(words): \(found ?? "nothing")")
        }
    }

    @Test("a DAG without types takes whatever it is given")
    func untyped() {
        let dag = DAG("d", params: ["a": 1]) { _ in }
        #expect(dag.definition.problem(ofParams: ["a": "x", "b": 2]) == nil)
        #expect(dag.definition.paramSchemas.isEmpty && dag.definition.params == ["a": 1])
    }

    @Test("the types are given as JSON Schema")
    func schema() {
        let schema = release.definition.paramsSchema
        #expect(schema["required"] == ["order"])
        #expect(
            schema["properties"]?["percent"]
                == [
                    "type": "integer", "minimum": 1, "maximum": 100, "default": 10,
                    "description": "How many of the users",
                ])
        #expect(
            schema["properties"]?["order"]
                == ["type": "string", "pattern": "^(?:[A-Z]-[0-9]+)$", "minLength": 3, "maxLength": 6])
        #expect(schema["properties"]?["hosts"]?["items"] == ["type": "string"])
        #expect(schema["properties"]?["folder"] == ["default": "/data/in"])
        #expect(schema["additionalProperties"] == false)
    }

    @Test("what is wrong with a declaration is said where it stands")
    func declarations() {
        let wrong: [(Param, String)] = [
            (.choice("asia", of: "eu"), "default of the param 'p'"), (.array([1], of: .string), "no string"),
            (.integer(5, in: 6...9), "at least 6"), (.string(matching: "("), "wrong pattern"),
        ]
        for (param, words) in wrong {
            let problems = DAG("d", params: ["p": param]) { _ in }.problems.map(\.description).joined()
            #expect(problems.contains(words), "\(words): \(problems)")
        }
        let scheduled = DAG("d", schedule: .daily, params: ["p": .string()]) { _ in }
        #expect(scheduled.problems.map(\.description).joined().contains("nobody gives one"))
    }

    @Test("a schema of another language is read where Perch knows all of it, and else refused")
    func foreign() throws {
        func read(_ schema: JSONValue) throws -> ParamSchema { try ParamSchema(json: schema) }
        #expect(try read(["type": "string", "pattern": "b+"]).problem(of: "abc") == nil)
        #expect(try read(["type": "string", "pattern": "b+"]).problem(of: "ac") != nil)
        for schema: JSONValue in [
            ["type": "date"], ["type": "string", "format": "date"], [:], ["type": "integer", "minimum": "1"],
            ["type": "integer", "enum": ["x"]], "string",
        ] {
            #expect(throws: PerchError.self) { try read(schema) }
        }
    }
}
