// SPDX-License-Identifier: Apache-2.0
import Foundation
import PerchSDK
import Testing

@Suite struct ConditionTests {
    static let document: JSONValue = [
        "state": "DONE", "total": 150, "ratio": 0.5, "none": nil, "the id": "x-1", "deep": ["a": [["b": 1], ["b": 2]]],
        "tags": ["red", "blue"], "empty": [],
    ]

    @Test(
        "a path selects values",
        arguments: [
            ("$.state", #"["DONE"]"#), ("$['state']", #"["DONE"]"#), ("$[\"the id\"]", #"["x-1"]"#),
            ("$.missing", "[]"),
            ("$.deep.a[0].b", "[1]"), ("$.deep.a[-1].b", "[2]"), ("$.deep.a[*].b", "[1,2]"), ("$.deep.a[2].b", "[]"),
            ("$.tags[*]", #"["red","blue"]"#), ("$.tags.*", #"["red","blue"]"#), ("$.deep[*][0]", #"[{"b":1}]"#),
            ("$.state[0]", "[]"), ("$.none", "[null]"), ("$.tags[-3]", "[]"), ("$.empty[*]", "[]"),
        ]) func paths(_ path: String, _ values: String)
    {
        let path = JSONPath(path)
        #expect(path.problem == nil)
        #expect(JSONValue.array(path.values(in: Self.document)).text == values)
    }

    @Test(
        "a wrong path says what is wrong",
        arguments: [
            "", "state", "$state", "$.", "$..a", "$[", "$[0", "$['a", "$['a'", "$[a]", "$[1:2]", "$[?(@.a)]", "$.a b",
            "$[--1]",
            "$.a.", "$[99999999999999999999]", "$['a\\x']", "$.[0]",
        ]) func wrongPaths(_ text: String) throws
    {
        let path = JSONPath(text)
        let problem = try #require(path.problem)
        #expect(problem.contains("is no JSON path: at character "))
        #expect(path.values(in: Self.document) == [])
        let condition = JSONCondition.not(.json(text, .exists))
        #expect(condition.problems == [problem])
    }

    static let examples: [(JSONCondition, Bool, String)] = [
        (.json("$.state", in: ["DONE", "FAILED"]), true, #"{"in":["DONE","FAILED"],"path":"$.state"}"#),
        (.json("$.state", equals: "done"), false, #"{"equals":"done","path":"$.state"}"#),
        (.json("$.state", .notEquals("done")), true, #"{"not_equals":"done","path":"$.state"}"#),
        (.json("$.missing", .notEquals("done")), false, #"{"not_equals":"done","path":"$.missing"}"#),
        (.json("$.tags[*]", .notEquals("red")), false, #"{"not_equals":"red","path":"$.tags[*]"}"#),
        (.json("$.total", .greaterThan(100)), true, #"{"greater_than":100,"path":"$.total"}"#),
        (.json("$.total", .greaterThan(150)), false, #"{"greater_than":150,"path":"$.total"}"#),
        (.json("$.total", .atLeast(149.5)), true, #"{"at_least":149.5,"path":"$.total"}"#),
        (.json("$.total", .lessThan(150.5)), true, #"{"less_than":150.5,"path":"$.total"}"#),
        (.json("$.total", .atMost(149)), false, #"{"at_most":149,"path":"$.total"}"#),
        (.json("$.ratio", .equals(0.5)), true, #"{"equals":0.5,"path":"$.ratio"}"#),
        (.json("$.total", .greaterThan("1")), false, #"{"greater_than":"1","path":"$.total"}"#),
        (.json("$.state", .greaterThan("D")), true, #"{"greater_than":"D","path":"$.state"}"#),
        (.json("$.none", .exists), true, #"{"exists":true,"path":"$.none"}"#),
        (.json("$.missing", .exists(false)), true, #"{"exists":false,"path":"$.missing"}"#),
        (.json("$.missing", .exists), false, #"{"exists":true,"path":"$.missing"}"#),
        (.json("$['the id']", .matches("^x-\\d+$")), true, #"{"matches":"^x-\\d+$","path":"$['the id']"}"#),
        (.json("$.total", .matches("150")), false, #"{"matches":"150","path":"$.total"}"#),
        (.json("$.tags", .contains("red")), true, #"{"contains":"red","path":"$.tags"}"#),
        (.json("$.state", .contains("ON")), true, #"{"contains":"ON","path":"$.state"}"#),
        (.json("$", .contains("state")), true, #"{"contains":"state","path":"$"}"#),
        (.json("$.deep.a[*].b", equals: 2), true, #"{"equals":2,"path":"$.deep.a[*].b"}"#),
        (.all([]), true, #"{"all":[]}"#),
        (
            .all([.json("$.total", .greaterThan(1)), .not(.json("$.state", equals: "X"))]), true,
            #"{"all":[{"greater_than":1,"path":"$.total"},{"not":{"equals":"X","path":"$.state"}}]}"#
        ),
        (
            .any([.json("$.a", .exists), .json("$.total", .lessThan(0))]), false,
            #"{"any":[{"exists":true,"path":"$.a"},{"less_than":0,"path":"$.total"}]}"#
        ),
    ]

    @Test("conditions are evaluated and coded", arguments: examples.indices) func conditions(_ index: Int) throws {
        let (condition, wanted, text) = Self.examples[index]
        #expect(condition.evaluate(Self.document) == wanted, "\(condition)")
        #expect(condition.problems == [])
        #expect(try JSONText.encode(condition) == text)
        #expect(try JSONText.decode(JSONCondition.self, from: text) == condition)
    }

    @Test("a whole number is the same with and without a point") func wholeNumbers() {
        #expect(JSONCondition.json("$.total", .equals(150.0)).evaluate(Self.document))
        #expect(JSONCondition.json("$.total", .atLeast(150.0)).evaluate(Self.document))
        #expect(!JSONCondition.json("$.n", .equals(9_007_199_254_740_992.0)).evaluate(["n": 9_007_199_254_740_993]))
    }

    @Test(
        "a wrong coded condition says what is right",
        arguments: [
            ("{}", "one of path, all, any, not"), (#"{"path":"$.a"}"#, "equals"), (#"{"equals":1}"#, "'path'"),
            (#"{"path":"$.a","equals":1,"in":[]}"#, "one of"), (#"{"path":"$.a","equal":1}"#, "no 'equal'"),
            (#"{"all":[],"any":[]}"#, "one of path"), ("5", "Dictionary"), (#"{"path":5,"equals":1}"#, "String"),
        ]) func wrongConditions(_ text: String, _ part: String) throws
    {
        let error = try #require(throws: PerchError.self) { try JSONText.decode(JSONCondition.self, from: text) }
        #expect(error.message.contains(part), "\(error.message)")
    }

    @Test("mistakes in conditions are told, templates are left for later") func problems() {
        #expect(JSONCondition.json("$.a", .matches("(")).problems.count == 1)
        #expect(JSONCondition.json("$.a", .matches("{{ ds }}(")).problems == [])
        #expect(JSONCondition.json("$.{{ params.x }}", .exists).problems == [])
        #expect(JSONCondition.json("$.a", .greaterThan(true)).problems.count == 1)
        #expect(JSONCondition.json("$.a", in: []).problems.count == 1)
        #expect(JSONCondition.any([]).problems.count == 1)
    }
}

@Suite struct PatternTests {
    @Test(
        "a pattern matches where any part of the text does",
        arguments: [
            ("", "", true), ("", "x", true), ("a", "cat", true), ("^a", "cat", false), ("t$", "cat", true),
            ("^$", "", true),
            ("^cat$", "cats", false), ("c.t", "c\nt", false), ("c.t", "cüt", true), ("a|b", "xb", true),
            ("^(a|bc)+$", "abcbca", true),
            ("^a{2,3}$", "aaaa", false), ("^a{2,3}$", "aaa", true), ("^a{2}$", "aa", true), ("^a{2,}$", "a", false),
            ("^a{,2}$", "a{,2}", true), ("x{", "x{", true), ("[a-c]+z", "xxabcz", true), ("[^a-c]", "abc", false),
            ("[]]", "]", true),
            ("[^]]", "]", false), ("[a-]", "-", true), ("[\\d_]+", "5_", true), ("[^\\d]", "5", false),
            ("\\D", "5", false),
            ("\\w\\s\\S", "a b", true), ("\\bcat\\b", "a cat.", true), ("\\bcat\\b", "concat", false),
            ("\\Bcat", "concat", true),
            ("(?i)done", "DONE", true), ("(?i)É", "é", true), ("done", "DONE", false), ("(?i)[a-c]", "B", true),
            ("\\.", "a", false),
            ("\\x41\\u{e9}\\u00e9", "Aéé", true), ("a*?b", "aab", true), ("(?:ab)*c", "ababc", true), ("()", "x", true),
            ("(a|)b", "b", true), ("^(a*)*$", "aaab", false), ("(^a|b$)", "xb", true), ("\\t\\n", "\t\n", true),
        ]) func matches(_ pattern: String, _ text: String, _ wanted: Bool)
    {
        let made = TextPattern(pattern)
        #expect(made.problem == nil)
        #expect(made.matches(text) == wanted)
    }

    @Test(
        "a wrong pattern says what is wrong",
        arguments: [
            ("(", "')' is missing"), (")", "closes nothing"), ("[a", "not closed"), ("*a", "nothing before it"),
            ("a**", "repeats a repeat"),
            ("a{3,2}", "wrong way round"), ("[z-a]", "wrong way round"), ("\\", "at the end"), ("\\1", "references"),
            ("(?=a)", "look-around"),
            ("(?<n>a)", "not supported"), ("\\q", "no escape"), ("a{1001}", "1000"),
            ("((a{1000}){1000}){1000}", "multiply"),
            ("\\u{110000}", "no character"), ("[\\d-z]", "one character"),
        ]) func mistakes(_ pattern: String, _ part: String) throws
    {
        let problem = try #require(TextPattern(pattern).problem)
        #expect(problem.contains(part), "\(problem)")
        #expect(!TextPattern(pattern).matches("a"))
    }

    @Test("a text made to explode costs no more than its length") func bounded() {
        let text = String(repeating: "a", count: 20_000) + "!"
        for pattern in ["^(a+)+$", "(a|aa)+$", "(.*)(.*)(.*)(.*)b$", "(a?){50}a{50}b"] {
            #expect(!TextPattern(pattern).matches(text))
        }
    }

    @Test("patterns agree with Foundation") func foundation() throws {
        var random = Seeded(5)
        func node(_ depth: Int, _ random: inout Seeded) -> String {
            let atoms = ["a", "b", ".", "[ab]", "[^a]", "\\w", "^", "$", "\\b"]
            guard depth > 0 else { return random.pick(atoms) }
            let (left, right) = (node(depth - 1, &random), node(depth - 1, &random))
            return random.pick([
                left + right, "(?:\(left)|\(right))", "(\(left))*", "(\(left))+", "(\(left)){0,2}\(right)",
                "(\(left))?\(right)",
            ])
        }
        for _ in 0..<1_500 {
            let pattern = node(Int.random(in: 0...3, using: &random), &random)
            let text = (0..<Int.random(in: 0...8, using: &random)).map { _ in random.pick(["a", "b", "c", " "]) }
                .joined()
            let reference = try NSRegularExpression(pattern: pattern)
            let range = NSRange(text.startIndex..., in: text)
            let wanted = reference.firstMatch(in: text, range: range) != nil
            #expect(TextPattern(pattern).matches(text) == wanted, "\(pattern) on '\(text)'")
        }
    }
}
