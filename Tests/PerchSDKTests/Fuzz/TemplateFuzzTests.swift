// SPDX-License-Identifier: Apache-2.0
import FuzzSupport
import PerchSDK
import Testing

@Suite("Fuzz: templates") struct TemplateFuzzTests {
    static func expression(_ source: inout FuzzSource, depth: Int = 2) -> String {
        let value: String =
            switch source.int(0...(depth > 0 ? 9 : 4)) {
            case 0:
                source.pick(["ds", "ts_nodash", "run_id", "try_number", "dag.dag_id", "ti.task_id", "nope", "ds.x"])
            case 1: source.pick(["params.a", "params['b c']", "params.list[0]", "params.list[-1].x", "dag_run.conf.a"])
            case 2: source.pick(["'text'", "\"{{\"", "'\\n\\''", "1", "-5", "1.5", "true", "None"])
            case 3: "\(source.integer())"
            case 4: "params[\(source.integer())]"
            case 5: "ds_add(\(expression(&source, depth: depth - 1)), \(expression(&source, depth: depth - 1)))"
            case 6:
                source.pick(["uuid", "random", "json.dumps", "macros.json.loads", "ds_format", "time", "nope"]) + "("
                    + source.several(0...3) { expression(&$0, depth: depth - 1) }.joined(separator: ", ") + ")"
            case 7: "(\(expression(&source, depth: depth - 1)))"
            case 8:
                expression(&source, depth: depth - 1)
                    + source.pick([
                        "+", " - ", "*", " / ", " // ", "%", " ~ ", "==", " != ", "<", ">=", " in ", " not in ",
                        " and ",
                        " or ", " is not ", " = ",
                    ]) + source.pick(["", "not "]) + expression(&source, depth: depth - 1)
            default:
                expression(&source, depth: depth - 1) + source.pick([" if ", " if not ", " is "])
                    + (source.one(in: 2)
                        ? expression(&source, depth: depth - 1) : source.pick(["defined", "not none"]))
                    + source.pick([" else ", " "]) + expression(&source, depth: depth - 1)
            }
        return value
            + source.several(0...2) { source in
                source.pick([
                    " | upper", "|lower", " | trim", " | tojson", " | ds", "|ts", " | default('x')", " | default(0)",
                    "|no", "|d(ds)", "|int", "|int(0)", "|float", "|round", "|round(2)", "|abs", "|length", "|first",
                    "|last", "|min", "|max", "|join(',')", "|replace('a', 'bb')", "|title", "|capitalize", "|string",
                    "|urlencode", "|shellquote", "|ts_nodash_with_tz", "|join(1)",
                ])
            }.joined()
    }

    static func template(_ source: inout FuzzSource) -> String {
        source.several(0...3) { source in
            source.one(in: 3)
                ? source.text(0...8) : "{{ " + Self.expression(&source) + source.pick([" }}", "}}", " }"])
        }.joined()
    }

    private static func scope(_ source: inout FuzzSource) -> TemplateScope {
        let instants = [0, 1_767_225_600_000_000, source.integer()].map { Timestamp(microseconds: $0) }
        return TemplateScope(
            AttemptFacts(
                dagID: "d", runID: "r", taskID: "t", mapIndex: -1, tryNumber: 1, logicalDate: source.pick(instants),
                dataIntervalStart: source.pick(instants), dataIntervalEnd: source.pick(instants),
                params: .object(["a": source.json(depth: 2), "b c": "x", "list": .array([source.json(depth: 1)])]),
                runType: .manual))
    }

    @Test("any text is filled in or refused with words fit to be shown") func anything() throws {
        try Fuzz.run("templates", count: 3_000) { source in
            let (first, second) = (Self.template(&source), Self.template(&source))
            let text = source.one(in: 2) ? first : source.mutated(first, with: second)
            for problem in TemplateCheck.problems(in: text) { try Fuzz.checkMessage(problem) }
            let scope = Self.scope(&source)
            let rendered = try Fuzz.accepted { try Template.render(text, with: scope) }
            if !text.contains("{{") { try Fuzz.same(rendered, text, "a text without templates") }
            if rendered != nil {
                try Fuzz.same(TemplateCheck.problems(in: text), [], "what is filled in has no problems: \(text)")
            }
            _ = Template.blanked(text, with: "x")
        }
    }

    @Test("quoted text comes out as it went in") func literals() throws {
        try Fuzz.run("template literals", count: 1_000) { source in
            let text = source.text(0...20)
            var escaped = ""
            for scalar in text.unicodeScalars {
                if scalar == "\\" || scalar == "'" { escaped += "\\" }
                escaped.unicodeScalars.append(scalar)
            }
            try Fuzz.same(
                Array(try Template.render("{{ '\(escaped)' }}", with: Self.scope(&source)).utf8), Array(text.utf8),
                escaped)
        }
    }
}
