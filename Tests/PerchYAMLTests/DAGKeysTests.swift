// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchYAML

@Suite("The keys of a DAG in YAML")
struct DAGKeysTests {
    @Test("every key of a DAG is read") func everyKey() throws {
        let dag = try Read(
            """
            id: orders
            description: What it is for
            schedule: {cron: 0 6 * * *, time_zone: Europe/Paris, jitter: 5m}
            start: 2026-01-01
            end: 2026-12-31T00:00:00Z
            catchup: true
            max_active_runs: 2
            max_active_tasks: 3
            run_timeout: 6h
            weight_rule: downstream
            versioning: pinned
            tags: [a, b]
            params: {region: eu, count: 3, list: [1, 2.5, null, true], note: "007", code: 007}
            defaults: {retries: 2, retry_delay: 90s}
            tasks:
            - id: a
              bash: echo
            - {id: b, bash: echo, after: a}
            """
        ).dag()
        #expect(dag.jitter == .seconds(300))
        #expect(dag.tasks.map(\.priority) == [2, 1])
        #expect(dag.dagID == "orders")
        #expect(dag.description == "What it is for")
        #expect(dag.schedule == .cron(expression: "0 6 * * *", timeZone: "Europe/Paris"))
        #expect(dag.start?.description == "2025-12-31T23:00:00Z")
        #expect(dag.end?.description == "2026-12-31T00:00:00Z")
        #expect(dag.catchup)
        #expect(dag.maxActiveRuns == 2 && dag.versioning == .pinned)
        #expect(dag.runTimeout == .seconds(21_600))
        #expect(dag.tags == ["a", "b"])
        #expect(
            dag.params == [
                "region": "eu", "count": 3, "list": [1, 2.5, nil, true], "note": "007", "code": "007",
            ])
        let task = try #require(dag.tasks.first)
        #expect(task.retries == 2)
        #expect(task.retryDelay == .seconds(90))
        #expect(task.limits == [ConcurrencyLimit(name: "dag:orders", slots: 3)])
        #expect(task.location == "a.yaml:16")
    }

    @Test(
        "every kind of schedule is read",
        arguments: [
            ("\"@daily\"", Schedule.daily), ("0 6 * * *", .cron("0 6 * * *")), ("none", .manual), ("", .manual),
            ("\"@continuous\"", .continuous), ("\"@once\"", .once),
            ("{cron: \"@daily\", time_zone: Europe/Paris}", .preset("@daily", timeZone: "Europe/Paris")),
            ("{cron: [0 6 * * *, 0 12 * * *]}", .cron("0 6 * * *", "0 12 * * *")), ("{every: 6h}", .every(.hours(6))),
            ("{event: orders.created}", .event("orders.created")),
            (
                "{event: a, dedupe: $.id, event_params: {x: $.x}}",
                .event("a", dedupe: "$.id", params: ["x": "$.x"])
            ),
            (
                "{event: a, key: eu, where: {path: $.total, greater_than: 100}, batch: 10, within: 5m}",
                .event(
                    "a", key: "eu", where: .json("$.total", .greaterThan(100)), batch: 10, within: .minutes(5))
            ),
            ("{asset: s3://a}", .asset("s3://a")), ("{asset: [a, b]}", .asset("a", "b")),
            ("{all_assets: [a, b]}", .allAssets("a", "b")),
            ("{asset: a, cron: 0 6 * * *}", .asset("a").or("0 6 * * *")),
            ("{after: other}", .after(dag: "other")),
            ("{after: other, states: [success, failed]}", .after(dag: "other", states: [.success, .failed])),
        ])
    func schedules(_ text: String, _ schedule: Schedule) throws {
        #expect(try Read("id: d\nparams: {x: 1}\nschedule: \(text)\ntasks: []\n").dag().schedule == schedule.definition)
    }

    @Test("documents of one file are DAGs of their own, and empty ones are none") func documents() throws {
        let file = Read("---\nid: a\ntasks: []\n---\n---\nid: b\ntasks: []\n").file
        #expect(file.problems == [])
        #expect(file.dags.map(\.definition.dagID) == ["a", "b"])
    }

    @Test("anchors, aliases and merged mappings are plain YAML") func anchors() throws {
        let read = Read.tasks(
            """
            - &first {id: a, bash: echo a, retries: 3, pool: p}
            - {<<: *first, id: b, retries: 1}
            """)
        #expect(try read.task("b").retries == 1)
        #expect(try read.task("b").pool == "p")
    }

    @Test(
        "what a beginner gets wrong in a DAG is told with its place and with what would be right",
        arguments: [
            ("", "1:1 the file holds no DAG"),
            ("# nothing but words\n", "1:1 the file holds no DAG"),
            ("hello", "1:1 'the file' is a mapping: a line 'key: value' for each of its keys, not 'hello'"),
            ("- id: a", "1:1 'the file' is a mapping: a line 'key: value' for each of its keys, not a list"),
            (
                "tasks: []",
                "1:1 a DAG has no 'id': letters, digits, '_', '.' and '-'; unique in the folder"
            ),
            ("id: d", "1:1 a DAG has no 'tasks': the tasks, and groups of them"),
            ("id: my dag\ntasks: []", "1:5 the DAG id 'my dag' holds U+20; allowed are A-Z a-z 0-9 _ . -"),
            ("id: d\ntasks: []\nshedule: '@daily'", "3:1 a DAG has no 'shedule'; did you mean 'schedule'?"),
            (
                "id: d\ntasks: []\nschedule_interval: '@daily'",
                "3:1 a DAG has no 'schedule_interval'; here it is called 'schedule'"
            ),
            ("dag_id: d\ntasks: []", "1:1 a DAG has no 'dag_id'; here it is called 'id'"),
            ("id: d\ntasks: []\ncatchup: yes", "3:10 'catchup' is true or false, not 'yes'"),
            (
                "id: d\ntasks: []\nmax_active_runs: many",
                "3:18 'max_active_runs' is a whole number from 1 to 1000000, not 'many'"
            ),
            (
                "id: d\ntasks: []\nmax_active_runs: 0",
                "3:18 'max_active_runs' is a whole number from 1 to 1000000, not 0"
            ),
            (
                "id: d\ntasks: []\nrun_timeout: 30",
                "3:14 'run_timeout': '30' is no duration: the number 30 has no unit; write 90s, 5m, 1h30m, 2d or 250ms"
            ),
            ("id: d\ntasks: []\nrun_timeout: 0s", "3:14 'run_timeout' is a duration above 0, not '0s'"),
            ("id: d\ntasks: []\nparams: [a]", "3:9 'params' is a mapping: a line 'name: value' for each, not a list"),
            ("id: d\ntasks: {a: 1}", "2:8 'tasks' is a list: a line with '- ' for each, not a mapping"),
            (
                "id: d\ntasks: []\nstart: tomorrow",
                "3:8 'start': 'tomorrow' is no instant: wanted was a year of four digits"
            ),
            ("id: d\ntasks: []\nstart: 2026-02-01\nend: 2026-01-01", "4:6 the end lies before the start"),
            ("id: d\nid: e\ntasks: []", "1:1 the key 'id' stands twice in one mapping, here for the first time"),
            (
                "id: d\ntasks: []\ndescription: !!binary aGk=",
                "3:14 the tag 'tag:yaml.org,2002:binary' is not known; leave it out"
            ),
            ("id: d\ntasks: []\n---\nid: d\ntasks: []", "4:1 the DAG id 'd' is taken in line 1"),
        ])
    func wrong(_ text: String, _ problem: String) {
        let problems = Read(text).problems
        #expect(problems.contains { $0.hasPrefix(problem) }, "\(problems)")
    }

    @Test(
        "what is wrong in a schedule is told at its place",
        arguments: [
            ("61 * * * *", "2:11 'schedule': "), ("\"@dayly\"", "2:11 'schedule': unknown preset '@dayly'"),
            ("{cron: 0 6 * * *, time_zone: Europe/Pariss}", "2:18 'schedule': "),
            (
                "{time_zone: Europe/Paris}",
                "2:11 a schedule has one of 'cron', 'every', 'event', 'asset', 'all_assets' and 'after'"
            ),
            ("{cron: 0 6 * * *, every: 6h}", "2:12 a schedule with 'every' has no 'cron'"),
            ("{event: a, asset: b}", "2:22 a schedule has either 'event' or 'asset', not both"),
            ("{event: a, dedupe: id}", "2:19 'schedule': the path of 'dedupe'"),
            ("{event: a, jitter: 5m}", "2:19 'schedule': a jitter is for schedules that create runs by time"),
            ("{every: 6h, time_zone: UTC}", "2:23 'time_zone' of a schedule stands beside 'cron' only"),
            ("{event: a, within: 5m}", "2:22 'within' of a schedule stands beside 'batch' only"),
            ("{every: 10ms}", "2:11 'schedule': runs are created every 10ms; it is every second at most"),
            ("{after: d}", "2:11 'schedule': each of its runs would start the next"),
            ("{after: other, states: running}", "2:34 'states' is one of success, failed, not 'running'"),
            ("{event: a, where: {path: $.x}}", "2:30 'path' of a condition stands beside"),
            ("{event: \"{{ ds }}\"}", "2:19 'schedule': the name of an event that starts runs holds no template"),
            ("6 hours", "2:11 'schedule': "),
        ])
    func wrongSchedules(_ text: String, _ problem: String) {
        let problems = Read("id: d\nschedule: \(text)\ntasks: []\n").problems
        #expect(problems.contains { $0.hasPrefix(problem) }, "\(problems)")
    }

    @Test(
        "what is no YAML is told with its place and with what it most likely is",
        arguments: [
            ("id: d\ntasks:\n\t- id: a\n", "3:1 ", "spaces"),
            ("id: d\ntasks:\n- id: a\n  bash: echo hi: there\n", "4:", "quoted"),
            ("id: d\ntasks:\n- id: a\n  bash: {{ ds }}\n", "4:", "\"{{ ds }}\""),
            ("id: d\ntasks:\n- id: a\n  sensor: {file: /x/{{ ds }}.csv}\n", "4:", "\"{{ ds }}\""),
            ("id: d\ntasks:\n- id: \"a\n", "", "this is no YAML"), ("id: [1, 2\n", "", "this is no YAML"),
            ("a: *b\n", "1:4 ", "alias"), ("id: \u{1}\n", "1:5 ", "control"),
        ])
    func noYAML(_ text: String, _ place: String, _ words: String) {
        let problems = Read(text).problems
        #expect(problems.count == 1)
        #expect(problems.first?.hasPrefix(place) == true, "\(problems)")
        #expect(problems.first?.contains(words) == true, "\(problems)")
    }

    @Test("several things that are wrong are told at once, in the order of places, and not more than twenty")
    func many() {
        let read = Read("id: d\nnope: 1\ntasks:\n- {id: a}\n- {id: b, bash: x, retries: no}\n- {id: b, bash: x}\n")
        #expect(
            read.problems.map { String($0.prefix(4)) } == ["2:1 ", "4:3 ", "5:29", "6:8 "], "\(read.problems)")
        let lines = (0..<50).map { "k\($0): 1" }.joined(separator: "\n")
        let long = Read("id: d\ntasks: []\n" + lines)
        #expect(long.problems.count == 21)
        #expect(long.problems.last?.hasSuffix("and 30 more behind this place") == true)
    }
}
