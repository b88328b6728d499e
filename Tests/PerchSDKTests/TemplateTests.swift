// SPDX-License-Identifier: Apache-2.0
import PerchSDK
import Testing

@Suite struct TemplateTests {
    static func scope() throws -> TemplateScope {
        TemplateScope(
            AttemptFacts(
                dagID: "orders", runID: "manual__1", taskID: "parse", mapIndex: 3, tryNumber: 2,
                logicalDate: try Timestamp(parsing: "2026-03-01T06:00:00Z"),
                dataIntervalStart: try Timestamp(parsing: "2026-02-28T06:00:00Z"),
                dataIntervalEnd: try Timestamp(parsing: "2026-03-01T06:00:00Z"),
                params: [
                    "region": "eu", "limits": ["rows": 5, "ratio": 0.5], "list": ["a", ["b": true]], "the key": "k",
                    "nothing": nil,
                ]))
    }

    @Test(
        "names, filters and macros are filled in",
        arguments: [
            ("", ""), ("plain", "plain"), ("{ {", "{ {"), ("}} {", "}} {"), ("{{ds}}", "2026-03-01"),
            ("/in/{{ ds }}.csv", "/in/2026-03-01.csv"), ("{{ ds }}{{ ds_nodash }}", "2026-03-0120260301"),
            ("{{ ts }}", "2026-03-01T06:00:00Z"), ("{{ ts_nodash }}", "20260301T060000"),
            ("{{ logical_date }}", "2026-03-01T06:00:00Z"), ("{{ data_interval_start }}", "2026-02-28T06:00:00Z"),
            ("{{ data_interval_end | ds }}", "2026-03-01"), ("{{ data_interval_start|ts_nodash }}", "20260228T060000"),
            ("{{ params.region }}", "eu"), ("{{ params.limits.rows }}", "5"), ("{{ params['the key'] }}", "k"),
            ("{{ params.list[0] }}-{{ params.list[-1].b }}", "a-true"), ("{{ dag_run.conf.region | upper }}", "EU"),
            ("{{ params.limits }}", #"{"ratio":0.5,"rows":5}"#), ("{{ params.region | tojson }}", #""eu""#),
            ("{{ params.missing | default('x') }}", "x"), ("{{ params.nothing | default(7) }}", "7"),
            ("{{ params.region | default('x') }}", "eu"), ("{{ params.a.b.c | default(\"\") }}", ""),
            ("{{ params.missing | default('Ab') | lower }}", "ab"), ("{{ params.nothing | tojson }}", "null"),
            ("{{ run_id }} {{ dag_run.run_id }} {{ ti.run_id }}", "manual__1 manual__1 manual__1"),
            ("{{ dag.dag_id }}/{{ task.task_id }}", "orders/parse"), ("{{ ti.try_number }}{{ try_number }}", "22"),
            ("{{ map_index }}{{ task_instance.map_index }}", "33"), ("{{ dag_run.run_type }}", "manual"),
            ("{{ ds_add(ds, -1) }}", "2026-02-28"), ("{{ macros.ds_add(ds, 1) }}", "2026-03-02"),
            ("{{ ds_add(data_interval_start | ds, params.limits.rows) }}", "2026-03-05"),
            ("{{ '{{' }} x }}", "{{ x }}"), ("{{ \"}}\" }}", "}}"), ("{{ '  a ' | trim }}", "a"),
            ("é{{ 'ü\\'\\n' }}ß", "éü'\nß"),
            ("{{\n ds \n}}", "2026-03-01"), ("{{ 5 }} {{ -1.5 }} {{ true }}", "5 -1.5 true"),
        ]) func renders(_ text: String, _ wanted: String) throws
    {
        #expect(try Template(text).render(Self.scope()) == wanted)
        #expect(TemplateCheck.problems(in: text) == [])
    }

    @Test(
        "what does not resolve is an error with its place and what would be right",
        arguments: [
            ("{{ dss }}", "1:4", "did you mean 'ds'", true), ("a\nbé {{ nothing_like_it }}", "2:7", "params", true),
            ("{{ ds", "1:1", "not closed", true), ("{{ }}", "1:4", "wanted was a name", true),
            ("{{", "1:3", "name", true),
            ("{{ ds | up }}", "1:9", "no filter 'up'", true), ("{{ ds }", "1:1", "not closed", true),
            ("{{ ds }x", "1:8", "wanted was '}}'", true),
            ("{{ ds.x }}", "1:4", "stands alone", true), ("{{ dag.id }}", "1:4", "dag.dag_id", true),
            ("{{ dag_run }}", "1:4", "dag_run.run_id", true), ("{{ 'x }}", "1:4", "does not end", true),
            ("{{ ds | default }}", "1:9", "default('x')", true),
            ("{{ ds | upper('x') }}", "1:9", "takes no value", true),
            ("{{ ds_sub(ds, 1) }}", "1:4", "ds_add", true), ("{{ ds_add(ds) }}", "1:4", "ds_add(ds, -1)", true),
            ("{{ .Names }}", "1:4", "{{ '{{' }}", true), ("{{ params. }}", "1:11", "member", true),
            ("{{ ds ds }}", "1:7", "wanted was '}}'", true), ("{{ a + b }}", "1:4", "'a' is unknown", true),
            ("{{ variable.x }}", "1:4", "'variable' is unknown", true), ("{{ params[x] }}", "1:11", "quotes", true),
            ("{{ params.missing }}", "1:4", "default", false),
            ("{{ params.region.x }}", "1:4", "params.region.x", false),
            ("{{ params.nothing }}", "1:4", "is null", false),
            ("{{ params.region | ds }}", "1:20", "no instant", false),
            ("{{ map_index | ds }}", "1:16", "instant", false),
            ("{{ ds_add(params.region, 1) }}", "1:11", "no instant", false),
            ("{{ ds_add(ds, 'x') }}", "1:15", "whole number", false),
            ("{{ params.missing | upper }}", "1:4", "default", false),
        ]) func mistakes(_ text: String, _ place: String, _ part: String, _ isKnownBefore: Bool) throws
    {
        let error = try #require(throws: PerchError.self) { try Template(text).render(Self.scope()) }
        #expect(error.message.hasPrefix("template \(place): "), "\(error.message)")
        #expect(error.message.contains(part), "\(error.message)")
        let before = TemplateCheck.problems(in: text)
        #expect(before.isEmpty != isKnownBefore, "\(before)")
    }

    @Test("every string of a trigger is filled in") func triggers() throws {
        let spec = TriggerSpec(
            kind: "x", target: "{{ params.region }}", due: .at("{{ ds }}T12:00:00Z"),
            definition: ["{{ ds }}": ["{{ ds }}", 5, nil, ["a": "{{ run_id }}"]]])
        let rendered = try spec.rendered(with: Self.scope())
        #expect(rendered.target == "eu" && rendered.due == .at("2026-03-01T12:00:00Z"))
        #expect(rendered.definition == ["{{ ds }}": ["2026-03-01", 5, nil, ["a": "manual__1"]]])
        let window = TimeWindow(
            opens: "{{ params.region }}", closes: "x", days: "{{ ds }}", timeZone: "{{ run_id }}")
        let within = try TriggerSpec.time(.within(window)).rendered(with: Self.scope())
        #expect(
            within.due
                == .within(TimeWindow(opens: "eu", closes: "x", days: "2026-03-01", timeZone: "manual__1")))
        let tick = try TriggerSpec.time(.tick(cron: "{{ ds }}", timeZone: "UTC")).rendered(with: Self.scope())
        #expect(
            tick.due == .tick(cron: "2026-03-01", timeZone: "UTC") && tick.target == "next tick of 2026-03-01 (UTC)")
        let wrong = TriggerSpec(kind: "x", target: "", definition: ["headers": [["a": "{{ params.no }}"]]])
        let error = try #require(throws: PerchError.self) { try wrong.rendered(with: Self.scope()) }
        #expect(error.message.hasPrefix("headers[0].a: template 1:4: params.no"))
    }

    @Test("no text makes the template reader trap") func noise() throws {
        var random = Seeded(4)
        let pieces = [
            "{{", "}}", "{", "}", "'", "\"", "|", "(", ")", "[", "]", ".", ",", "-", "ds", "params", "9", " ", "\n",
            "\\", "é", "default", "ds_add",
        ]
        let scope = try Self.scope()
        var rendered = 0
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in random.pick(pieces) }.joined()
            do {
                _ = try Template(text).render(scope)
                rendered += 1
            } catch {
                #expect(error.code == .invalid)
            }
        }
        #expect(rendered > 1_000)
    }
}
