// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import PerchTriggersApproval
import PerchTriggersComposite
import PerchTriggersEvent
import PerchTriggersFile
import PerchTriggersHTTP
import PerchTriggersProcess
import PerchTriggersRun
import PerchTriggersSQL
import PerchTriggersSocket
import PerchTriggersTime
import Testing

@testable import PerchYAML

@Suite("Waits in YAML")
struct TriggerKeysTests {
    static func expect(
        _ text: String, _ trigger: some Trigger, _ location: SourceLocation = #_sourceLocation
    ) throws {
        #expect(
            try Read.sensor(text).trigger(location) == TriggerSpec(trigger), "\(text)", sourceLocation: location)
    }

    @Test("waits for time") func time() throws {
        try Self.expect("time: {at: '2026-01-01T06:00:00Z'}", TimeTrigger.at("2026-01-01T06:00:00Z"))
        try Self.expect("time: {at: '{{ data_interval_end }}'}", TimeTrigger.at("{{ data_interval_end }}"))
        try Self.expect("time: {after: 1h30m}", TimeTrigger.after(.minutes(90)))
        try Self.expect(
            "time: {cron: '0 6 * * *', time_zone: Europe/Paris}",
            TimeTrigger.cron("0 6 * * *", timeZone: "Europe/Paris"))
        try Self.expect("time: {cron: '0 6 * * *'}", TimeTrigger.cron("0 6 * * *"))
        try Self.expect(
            "time: {within: {opens: '22:00', closes: '06:00', days: MON-FRI, time_zone: Europe/Paris}}",
            TimeTrigger.within("22:00", "06:00", days: "MON-FRI", timeZone: "Europe/Paris"))
        try Self.expect("time: {within: {opens: '22:00', closes: '06:00'}}", TimeTrigger.within("22:00", "06:00"))
    }

    @Test("waits for files") func file() throws {
        try Self.expect("file: '/data/{{ ds }}.csv'", FileTrigger.file("/data/{{ ds }}.csv"))
        try Self.expect(
            "file: {path: /a, stable_for: 30s, minimum_size: 1}",
            FileTrigger.file("/a", stableFor: .seconds(30), minimumSize: 1))
        try Self.expect("file: {path: /a, until: removed}", FileTrigger.file(removed: "/a"))
        try Self.expect("file: {path: /a, until: changed}", FileTrigger.file(changed: "/a"))
        try Self.expect("file: {path: '/a/*', at_least: 3}", FileTrigger.files("/a/*", atLeast: 3))
    }

    @Test("waits for answers and streams") func http() throws {
        try Self.expect("http: https://example.org", HTTPTrigger.http("https://example.org"))
        try Self.expect(
            """
            http: {url: https://e.org, every: 30s, slowest: 5m, until: {json: {path: $.state, in: [DONE, FAILED]}}, \
            method: POST, headers: {x-a: b, authorization: {secret: TOKEN, prefix: 'Bearer '}, x-c: {environment: C}}, \
            body: '{}', timeout: 5s, proxy: 'http://proxy:3128', ca: /etc/ca.pem}
            """,
            HTTPTrigger(
                url: "https://e.org", every: .seconds(30), until: .json("$.state", in: ["DONE", "FAILED"]),
                method: "POST",
                headers: [
                    "x-a": "b", "authorization": .secret("TOKEN", prefix: "Bearer "), "x-c": .environment("C"),
                ], body: "{}", timeout: .seconds(5), slowest: .seconds(300), proxy: "http://proxy:3128",
                ca: "/etc/ca.pem"))
        let conditions: [(String, HTTPCondition)] = [
            ("{status: 200}", .status(200)), ("{status: [200, 404]}", .status(in: [200, 404])),
            ("{status: 500-599}", .status(in: 500...599)),
            ("{header: x, equals: 1}", .header("x", equals: "1")),
            ("{header: x, matches: a+}", .header("x", matches: "a+")),
            ("{body: ready}", .body(matches: "ready")),
            ("{any: [{status: 404}, {not: {body: x}}]}", .any([.status(404), .not(.body(matches: "x"))])),
            ("{all: [{status: 200}, {json: {path: $.a, exists: true}}]}", .all([.status(200), .json("$.a", .exists)])),
        ]
        for (text, condition) in conditions {
            try Self.expect(
                "http: {url: https://e.org, until: \(text)}", HTTPTrigger.http("https://e.org", until: condition))
        }
        try Self.expect(
            "sse: {url: https://e.org, event: done, where: {path: $.ok, equals: true}, headers: {x: y}}",
            StreamTrigger.stream(
                "https://e.org", event: "done", where: .json("$.ok", equals: true), headers: ["x": "y"]))
    }

    @Test("waits for events and assets") func events() throws {
        try Self.expect("event: orders.created", EventTrigger.event("orders.created"))
        try Self.expect(
            "event: {name: a, key: '{{ ds }}', where: {path: $.n, at_least: 1.5}, since: 2h, mode: level}",
            EventTrigger.event(
                "a", key: "{{ ds }}", where: .json("$.n", .atLeast(1.5)), since: .ago(.hours(2)), mode: .level))
        try Self.expect(
            "event: {name: a, since: now, delivery: one}", EventTrigger.event("a", since: .now, delivery: .one))
        try Self.expect("event: {name: a, since: run_created}", EventTrigger.event("a", since: .runCreated))
        try Self.expect(
            "event: {name: a, since: 2026-01-01}",
            EventTrigger.event("a", since: .instant(Timestamp(parsing: "2026-01-01"))))
        try Self.expect("asset: s3://a", AssetTrigger.asset("s3://a"))
        try Self.expect("asset: {name: s3://a, since: now}", AssetTrigger.asset("s3://a", since: .now))
    }

    @Test("waits for runs") func runs() throws {
        try Self.expect("run: other", RunTrigger.run(of: "other"))
        try Self.expect(
            "run: {dag_id: other, task_id: t, map_index: 2, offset: -1h, in: [success, skipped], failing_on: [failed]}",
            RunTrigger.run(
                of: "other", task: "t", mapIndex: 2, which: .offset(.hours(-1)), in: [.success, .skipped],
                failingOn: [.failed]))
        try Self.expect("run: {dag_id: o, next: true}", RunTrigger.run(of: "o", which: .next))
        try Self.expect("run: {dag_id: o, date: '{{ ds }}'}", RunTrigger.run(of: "o", which: .date("{{ ds }}")))
        try Self.expect("run: {dag_id: o, run_id: x}", RunTrigger.run(of: "o", which: .id("x")))
    }

    @Test("waits for sockets, certificates, processes and people") func others() throws {
        try Self.expect("socket: {host: db, port: 5432}", SocketTrigger.port("db", 5_432))
        try Self.expect(
            "socket: {path: /run/x.sock, until: closed, every: 1s}",
            SocketTrigger.unixSocket("/run/x.sock", until: .closed, every: .seconds(1)))
        try Self.expect(
            "certificate: {host: e.org, valid_for: 30d}", CertificateTrigger.certificate("e.org", validFor: .days(30)))
        try Self.expect(
            "certificate: {host: e.org, port: 8443, ends_within: 7d, every: 2h}",
            CertificateTrigger.certificate("e.org", port: 8_443, endsWithin: .days(7), every: .hours(2)))
        let process = try Read.sensor("process: {pid: 4, start_time: 5, boot_id: b, host: h}").trigger()
        #expect(process.kind == "process" && process.target == "4:5:b")
        let later = try Read.sensor(
            "process: {pid: '{{ params.pid }}', start_time: 5, boot_id: '{{ params.boot }}', host: h, records: '/r/{{ ds }}'}"
        ).trigger()
        #expect(later.kind == "process" && later.target == "{{ params.pid }}:5:{{ params.boot }}")
        #expect(
            later.definition["process"]
                == [
                    "pid": "{{ params.pid }}", "start_time": "5", "boot_id": "{{ params.boot }}", "host": "h",
                    "records": "/r/{{ ds }}",
                ])
        try Self.expect("approval: 'Deploy {{ run_id }}?'", ApprovalTrigger.approval("Deploy {{ run_id }}?"))
        try Self.expect(
            """
            approval: {question: Q, fields: [{name: region, type: choice, choices: [eu, us]}, \
            {name: percent, type: int, default: 10, required: false, label: How much}]}
            """,
            ApprovalTrigger.approval(
                "Q",
                fields: [
                    .choice("region", ["eu", "us"]), .int("percent", label: "How much", required: false, default: 10),
                ]))
    }

    @Test("waits for rows") func sql() throws {
        try Self.expect(
            "sql: {query: SELECT 1, database: {sqlite: /a.db}}", SQLTrigger.sql("SELECT 1", on: .sqlite("/a.db")))
        try Self.expect(
            "sql: {query: SELECT 1, database: {connection: orders}}",
            SQLTrigger.sql("SELECT 1", on: .connection("orders")))
        try Self.expect(
            "sql: {query: SELECT 1, database: {secret: ORDERS_DB}}",
            SQLTrigger.sql("SELECT 1", on: .secret("ORDERS_DB")))
        try Self.expect(
            """
            sql: {query: SELECT $1, parameters: ['{{ ds }}', 3, null], every: 1s, timeout: 2s, listen: jobs, \
            until: {any: [{rows: 2}, {first: {path: $, in: [DONE]}}, {not: {row: {path: $.a, equals: 1}}}, \
            {truthy: true}]}, database: {postgres: {host: db, database: d, user: u, password: {secret: S}, \
            tls: verify-full}}}
            """,
            SQLTrigger.sql(
                "SELECT $1", ["{{ ds }}", 3, nil],
                on: .postgres(host: "db", database: "d", user: "u", password: .secret("S"), tls: .verifyFull),
                every: .seconds(1),
                until: .any([
                    .rows(atLeast: 2), .first(.json("$", in: ["DONE"])), .not(.anyRow(.json("$.a", equals: 1))),
                    .truthy,
                ]), timeout: .seconds(2), listen: "jobs"))
    }

    @Test("waits that are made of others") func composites() throws {
        try Self.expect("any: [{file: /a}, {time: {after: 1h}}]", CompositeTrigger.any(.file("/a"), .after(.hours(1))))
        try Self.expect("all: [{file: /a}, {event: e}]", CompositeTrigger.all(.file("/a"), .event("e")))
        try Self.expect(
            "at_least: {count: 2, of: [{file: /a}, {event: e}, {any: [{file: /b}, {file: /c}]}]}",
            CompositeTrigger.atLeast(2, of: .file("/a"), .event("e"), .any(.file("/b"), .file("/c"))))
        try Self.expect(
            "not: {wait: {event: e}, within: 10m}", CompositeTrigger.not(.event("e"), within: .minutes(10)))
    }

    @Test(
        "what is wrong in a wait is told at its place, with the keys of files",
        arguments: [
            ("fle: /a", "a wait has no 'fle'; did you mean 'file'?"),
            ("stream: http://x", "a wait has no 'stream'; here it is called 'sse'"),
            ("file: a.csv", "file: "),
            ("file: {path: /a, until: gone}", "'until' is one of there, removed, changed, not 'gone'"),
            (
                "file: {path: /a, until: removed, stable_for: 5s}",
                "file: a wait until a file is removed has no stable_for"
            ),
            ("file: {stable_for: 5s}", "a wait for a file has no 'path'"),
            ("file: {path: /a, stable_for: 5}", "'stable_for': '5' is no duration: the number 5 has no unit"),
            ("file: '/{{ dss }}'", "'file': template 1:5: 'dss' is unknown; did you mean 'ds'?"),
            ("http: example.org", "http: "),
            ("http: {url: http://x, every: 1ms}", "http: 'every' is 1ms; the shortest is 100ms"),
            ("http: {url: http://x, until: {path: $.a, equals: 1}}", "a condition has no 'path'"),
            ("http: {url: http://x, until: {status: many}}", "http: "),
            ("http: {url: http://x, until: {json: {path: a, equals: 1}}}", "http: "),
            ("http: {url: http://x, until: {json: {path: $.a, matches: '('}}}", "http: "),
            (
                "http: {url: http://x, headers: {a: {secret: S, environment: E}}}",
                "a header has either 'secret' or 'environment'"
            ),
            ("time: {at: soon}", "time: 'soon' is no instant"), ("time: {cron: '0 6 * *'}", "time: "),
            ("time: {after: 1h, at: '2026-01-01'}", "a wait for time has either 'after' or 'at', not both"),
            ("time: {within: {opens: '6', closes: '7:00'}}", "time: '6' is no time of day"),
            ("event: {key: a}", "a wait for an event has no 'name'"),
            ("event: {name: a, since: yesterday}", "event: 'since' is run_created, now"),
            ("event: {name: a, mode: level, delivery: one}", "event: a state is not used up"),
            ("run: {dag_id: a, offset: 1h, next: true}", "a wait for a run has either 'offset' or 'next'"),
            ("run: {dag_id: a, in: [running]}", "'in[0]' is one of success, failed, skipped"),
            ("run: {dag_id: a, in: [skipped]}", "run: a run does not end as skipped"),
            ("socket: {host: a}", "'host' of a wait for a socket stands beside 'port' only"),
            ("socket: {host: a, port: 70000}", "'port' is a whole number from 1 to 65535, not 70000"),
            ("certificate: {host: a}", "a wait for a certificate has one of 'valid_for' and 'ends_within'"),
            ("sql: {query: SELECT 1}", "a wait for rows has no 'database'"),
            ("sql: {query: SELECT 1, database: {sqlite: a.db}}", "sql: the database is 'a.db'"),
            (
                "sql: {query: SELECT 1, database: {postgres: {host: a, database: b, user: c, password: geheim}}}",
                "'password' is a mapping"
            ),
            (
                "approval: {question: Q, fields: [{name: a, type: choice}]}",
                "approval: the field 'a' of an approval is a choice of nothing"
            ),
            ("any: []", "any: a composite wait has no members"), ("any: [{file: a.csv}]", "file: "),
            ("any: [{event: {name: a, since: now}}]", "any: an event wait with 'since' cannot be a member"),
            ("at_least: {count: 3, of: [{file: /a}]}", "at_least: a composite wait cannot want 3 of 1"),
            ("", "a wait has one of"), ("file: /a, event: e", "a wait has either 'file' or 'event', not both"),
            ("process: {pid: 1}", "a wait for a process has no 'start_time'"),
            (
                "process: {pid: x, start_time: 1, boot_id: b, host: h}",
                "'pid' is a whole number from 1 to 2147483647, or a template, not 'x'"
            ),
            (
                "process: {pid: '{{ parms.pid }}', start_time: 1, boot_id: b, host: h}",
                "'pid': template 1:4: 'parms' is unknown; did you mean 'params'?"
            ),
        ])
    func wrong(_ text: String, _ problem: String) {

        let found = Read.sensor(text).file.problems
        #expect(found.contains { $0.message.hasPrefix(problem) && $0.line == 3 }, "\(found)")
    }
}
