// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@Suite("What templates can say") struct TemplateLanguageTests {
    private static func scope(_ params: JSONValue = .object([:]), tryNumber: Int = 1) throws -> TemplateScope {
        var facts = AttemptFacts(
            dagID: "orders", runID: "r", taskID: "load", mapIndex: -1, tryNumber: tryNumber,
            logicalDate: try Timestamp(parsing: "2026-03-01T06:07:08.5Z"),
            dataIntervalStart: try Timestamp(parsing: "2026-02-28T06:00:00Z"),
            dataIntervalEnd: try Timestamp(parsing: "2026-03-01T06:00:00Z"), params: params)
        var dag = DAGDefinition(dagID: "orders")
        dag.description = "Orders of the day"
        dag.tags = ["sales", "daily"]
        var task = TaskDefinition(taskID: "load", kind: .code(operatorName: "BashOperator"))
        task.pool = "warehouse"
        task.retries = 3
        task.group = "all"
        dag.tasks = [task]
        facts.dag = AttemptDAG(dag)
        return TemplateScope(facts)
    }

    private static func params() -> JSONValue {
        [
            "n": 7, "half": 0.5, "text": "it's über", "list": [3, 1, 2], "words": ["b", "a"], "none": nil, "yes": true,
            "empty": [], "object": ["a": ["b": 1]],
        ]
    }

    @Test(
        "filters",
        arguments: [
            ("'hello WORLD' | capitalize", "Hello world"), ("'hello the world' | title", "Hello The World"),
            ("\"o'neil 2nd\" | title", "O'neil 2nd"), ("params.text | replace('it', 'x') | upper", "X'S ÜBER"),
            ("'aaa' | replace('a', '')", ""), ("params.list | length", "3"), ("'über' | count", "4"),
            ("params.object | length", "1"), ("params.list | first", "3"), ("params.list | last", "2"),
            ("'über' | first", "ü"), ("params.list | max", "3"), ("params.words | min", "a"),
            ("params.words | join(', ')", "b, a"), ("params.list | join", "312"), ("params.empty | join('x')", ""),
            ("'12' | int + 1", "13"), ("'x' | int(0)", "0"), ("7.9 | int", "7"), ("-7.9 | int", "-7"),
            ("'1.5' | float", "1.5"), ("params.n | float", "7.0"), ("'x' | float(2)", "2"), ("2.5 | round", "3"),
            ("3.14159 | round(2)", "3.14"), ("-3 | abs", "3"), ("-3.5 | abs", "3.5"), ("params.n | string", "7"),
            ("params.none | string", "null"), ("params.missing | d('x')", "x"), ("params.missing | d(params.n)", "7"),
            ("'a b/ü?' | urlencode", "a%20b/%C3%BC%3F"), ("params.text | shellquote", "'it'\\''s über'"),
            ("'$(rm -rf /)' | shellquote", "'$(rm -rf /)'"),
            ("logical_date | ts_nodash_with_tz", "20260301T060708+0000"),
            ("1767225600000000 | ts", "2026-01-01T00:00:00Z"), ("params.object | tojson", #"{"a":{"b":1}}"#),
            ("'ÀB' | lower", "àb"), ("params.n | default(8)", "7"),
        ]) func filters(_ expression: String, _ wanted: String) throws
    {
        #expect(try Template("{{ \(expression) }}").render(Self.scope(Self.params())) == wanted)
        #expect(TemplateCheck.problems(in: "{{ \(expression) }}") == [])
    }

    @Test(
        "operators, by their strength, from left to right",
        arguments: [
            ("1 + 2 * 3", "7"), ("(1 + 2) * 3", "9"), ("10 - 4 - 3", "3"), ("7 // 2", "3"), ("-7 // 2", "-4"),
            ("-7 % 3", "2"), ("7 % -3", "-2"), ("7 / 2", "3.5"), ("1.5 + 1", "2.5"), ("2-1", "1"),
            ("1e3 + 1", "1001.0"),
            ("'a' ~ 1 ~ params.yes", "a1true"), ("'a' + 'b'", "ab"), ("'a' ~ 'b' | upper", "aB"),
            ("('a' ~ 'b') | upper", "AB"), ("'n=' ~ (params.n + 1)", "n=8"), ("1 == 1.0", "true"),
            ("'a' < 'b'", "true"),
            ("2 >= 3", "false"), ("'be' in params.text", "true"), ("3 in params.list", "true"),
            ("'x' not in params.object", "true"), ("not params.empty", "true"), ("not 1 == 2", "true"),
            ("params.none or 'x'", "x"), ("params.n and 'x'", "x"), ("0 or params.empty or 'last'", "last"),
            ("'big' if params.n > 5 else 'small'", "big"), ("1 if false else 2 if false else 3", "3"),
            ("params.x if params.x is defined else 'none'", "none"), ("params.none is none", "true"),
            ("params.n is not none and params.n is defined", "true"), ("params.x is not defined", "true"),
            ("ds_add(ds, 1 - 2)", "2026-02-28"), ("-9223372036854775808 % -1", "0"), ("not not 1", "true"),
        ]) func operators(_ expression: String, _ wanted: String) throws
    {
        #expect(try Template("{{ \(expression) }}").render(Self.scope(Self.params())) == wanted)
        #expect(TemplateCheck.problems(in: "{{ \(expression) }}") == [])
    }

    @Test(
        "macros and names",
        arguments: [
            ("ds_format('05-03-2026', '%d-%m-%Y', '%Y/%m/%d')", "2026/03/05"),
            ("ds_format(ds, '%Y-%m-%d', '%A %a %d. %B %b %y %j')", "Sunday Sun 01. March Mar 26 060"),
            (
                "macros.ds_format('Jan 2, 2026 3:04 PM', '%b %d, %Y %I:%M %p', '%Y%m%dT%H%M%S.%f%z %Z %I%p %%')",
                "20260102T150400.000000+0000 UTC 03PM %"
            ),
            ("ds_format('2024-366', '%Y-%j', '%m-%d')", "12-31"),
            ("datetime_diff_for_humans(data_interval_start, data_interval_end)", "1 day before"),
            ("datetime_diff_for_humans('2026-03-01', '2024-02-01')", "2 years after"),
            ("datetime_diff_for_humans('2026-03-01', '2026-01-31')", "1 month after"),
            ("datetime_diff_for_humans('2026-03-01', '2026-02-10')", "2 weeks after"),
            ("datetime_diff_for_humans(ts, ts)", "0 seconds after"),
            ("json.dumps(params.list)", "[3,1,2]"), ("macros.json.loads('{\"a\": [5]}')", #"{"a":[5]}"#),
            ("dag.description", "Orders of the day"), ("dag.tags | join(',')", "sales,daily"), ("dag.tags[0]", "sales"),
            ("task.operator", "BashOperator"), ("ti.pool", "warehouse"), ("task_instance.retries", "3"),
            ("task.task_group", "all"), ("task.trigger_rule", "all_success"), ("test_mode", "false"),
            ("task_instance_key_str", "orders__load__20260301"), ("ts_nodash_with_tz", "20260301T060708+0000"),
            ("ts", "2026-03-01T06:07:08.5Z"),
        ]) func macros(_ expression: String, _ wanted: String) throws
    {
        #expect(try Template("{{ \(expression) }}").render(Self.scope(Self.params())) == wanted)
        #expect(TemplateCheck.problems(in: "{{ \(expression) }}") == [])
    }

    @Test(
        "what cannot be worked out says why",
        arguments: [
            ("1 / 0", "by 0", false), ("1 % 0", "by 0", false), ("'a' - 1", "two numbers", false),
            ("'a' + 1", "joined by '~'", false), ("9223372036854775807 + 1", "too large", false),
            ("-9223372036854775808 // -1", "too large", false), ("-9223372036854775808 | abs", "too large", false),
            ("1 < 'a'", "two numbers or two texts", false), ("1 < 2 < 3", "not chained", true),
            ("params.n in params.n", "'in' looks", false), ("params.empty | first", "not empty", false),
            ("params.n | join", "takes a list", false), ("'x' | int", "takes a number", false),
            ("'x' | replace('', 'y')", "not empty", false), ("'x' | replace('y')", "replace('a', 'b')", true),
            ("2 | round(99)", "0 to 15", false), ("params.words | max(1)", "takes no value", true),
            ("params.object.a | max", "takes a list", false), ("[1]", "wanted was a name", true),
            ("'a' if 1", "'else'", true), ("x is odd", "'defined' or 'none'", true), ("(1", "')'", true),
            ("ds_format('x', '%Y', '%Y')", "not of the form", false), ("ds_format(ds, '%Q', '%Y')", "no '%Q'", false),
            ("ds_format(ds, '%Y-%m-%d', '%')", "percent", false),
            ("ds_format('2026-02-30', '%Y-%m-%d', '%Y')", "no day 30", false),
            ("json.loads('{')", "no JSON", false), ("time()", "the same again", true),
            ("macros.time.time()", "the same again", true), ("ti.xcom_pull('a')", "inputs", true),
            ("params.text.upper()", "ds | upper", true), ("uuid(1)", "tells one draw from another", false),
            ("prev_data_interval_start_success", "another run may end", true),
            ("dag.owner", "dag.tags", true), ("nope if false else 1", "'nope' is unknown", true),
            ("true or nope", "'nope' is unknown", true), ("params.n | default(nope)", "'nope' is unknown", true),
        ]) func mistakes(_ expression: String, _ part: String, _ isKnownBefore: Bool) throws
    {
        let text = "{{ \(expression) }}"
        let error = try #require(throws: PerchError.self) { try Template(text).render(Self.scope(Self.params())) }
        #expect(error.message.contains(part), "\(error.message)")
        #expect(TemplateCheck.problems(in: text).isEmpty != isKnownBefore)
    }

    @Test("what is drawn is the same in every dispatch of a try, and another one elsewhere") func draws() throws {
        let text =
            "{{ uuid() }} {{ uuid() }} {{ uuid('a') }} {{ macros.uuid.uuid4() }} {{ random() }} {{ random('b') }}"
        let drawn = try Template(text).render(Self.scope())
        #expect(try Template(text).render(Self.scope()) == drawn)
        #expect(try Template(text).render(Self.scope(tryNumber: 2)) != drawn)
        #expect(try Template(text + " ").render(Self.scope()) != drawn + " ")
        let values = drawn.split(separator: " ").map(String.init)
        #expect(Set(values).count == 6)
        for uuid in values[..<4] {
            #expect(
                try /[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/.wholeMatch(in: uuid) != nil)
        }
        for number in values[4...] { #expect((0..<1).contains(try #require(Double(number)))) }
    }

    @Test("updates of assets that have started the run are there by asset") func assets() throws {
        let event: JSONValue = ["name": "asset", "key": "s3://a", "payload": ["run_id": "r1"], "seq": 1]
        let other: JSONValue = ["name": "orders", "key": "s3://a", "payload": nil, "seq": 2]
        let text = "{{ triggering_asset_events['s3://a'][0].payload.run_id }} {{ triggering_asset_events | length }}"
        #expect(try Template(text).render(Self.scope(["event": event])) == "r1 1")
        #expect(try Template(text).render(Self.scope(["event": other, "events": [event, other]])) == "r1 1")
        #expect(try Template("{{ triggering_asset_events | tojson }}").render(Self.scope()) == "{}")
        #expect(throws: PerchError.self) { try Template(text).render(Self.scope(["event": other])) }
    }

    @Test("what a template gives is bounded, and so is what it has in it") func bounds() throws {
        let long: JSONValue = ["x": .string(String(repeating: "x", count: 3 << 20))]
        for text in [
            "{{ params.x ~ params.x }}", "{{ params.x | replace('x', params.x) }}", "{{ params.x }}{{ params.x }}",
            "{{ params.x | replace('x', 'yyyy') }}",
        ] {
            let error = try #require(throws: PerchError.self) { try Template(text).render(Self.scope(long)) }
            #expect(error.message.contains("longer than"), "\(error.message)")
        }
        #expect(throws: PerchError.self) { try Template("{{ " + String(repeating: "(", count: 10_000)) }
        #expect(throws: PerchError.self) { try Template("{{ 1" + String(repeating: "+1", count: 10_000) + " }}") }
        #expect(throws: PerchError.self) { try Template("{{ ds" + String(repeating: "|trim", count: 10_000) + " }}") }
        #expect(throws: PerchError.self) { try Template("{{ " + String(repeating: "not ", count: 10_000) + "1 }}") }
        #expect(throws: PerchError.self) {
            try Template("{{ " + String(repeating: "1 if 1 else ", count: 10_000) + "1 }}")
        }
        #expect(try Template("{{ 1" + String(repeating: "+1", count: 60) + " }}").render(Self.scope()) == "61")
    }
}
