// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchYAML

@Suite("The keys of a task in YAML")
struct TaskKeysTests {
    @Test("every option of a task is read") func options() throws {
        let task = try Read.tasks(
            """
            - id: a
              bash: echo
              retries: 3
              retry_delay: 1m
              retry_exponential_backoff: true
              max_retry_delay: 1h
              execution_timeout: 10m
              task_timeout: 2h
              queued_timeout: 15m
              kill_timeout: 5s
              pool: small
              pool_slots: 2
              priority: 7
              queue: far
              isolation: process
              outlets: [s3://a, b]
              trigger_rule: all_done
              limits:
              - {slots: 4, per_run: true}
              - {slots: 1, key: "{{ params.customer }}"}
            """
        ).task("a")
        #expect(task.kind == .code(operatorName: "BashOperator"))
        #expect(task.retries == 3 && task.retryDelay == .seconds(60) && task.retryExponentialBackoff)
        #expect(task.maxRetryDelay == .seconds(3_600) && task.executionTimeout == .seconds(600))
        #expect(task.taskTimeout == .seconds(7_200) && task.killTimeout == .seconds(5))
        #expect(task.queuedTimeout == .seconds(900))
        #expect(task.pool == "small" && task.poolSlots == 2 && task.priority == 7 && task.queue == "far")
        #expect(task.isolation == .process)
        #expect(task.outlets == ["s3://a", "b"] && task.triggerRule == .allDone)
        #expect(
            task.limits == [
                ConcurrencyLimit(name: "task:d.a@{{ run_id }}", slots: 4),
                ConcurrencyLimit(name: "key:{{ params.customer }}", slots: 1),
            ])
    }

    @Test("a task may name what stands behind it; a branch names the outputs that lead on") func after() throws {
        let dag = try Read.tasks(
            """
            - {id: c, empty: true, after: [a, {task: b, when: [small, 2, true]}], trigger_rule: one_success}
            - {id: b, bash: echo, after: a}
            - {id: a, latest_only: true}
            """
        ).dag()
        #expect(dag.tasks.map(\.taskID) == ["a", "b", "c"])
        #expect(dag.tasks[2].upstream == [0, 1])
        #expect(
            dag.tasks[2].branches == [
                BranchEdge(upstream: 0, outputs: ["true"]), BranchEdge(upstream: 1, outputs: ["small", "2", "true"]),
            ])
        #expect(dag.tasks[0].kind == .latestOnly && dag.tasks[2].kind == .empty)
        // What comes after latest_only comes after its yes.
        #expect(dag.tasks[1].branches == [BranchEdge(upstream: 0, outputs: ["true"])])
    }

    @Test("groups prefix ids, come after others as a whole, and others come after their ends") func groups() throws {
        let dag = try Read.tasks(
            """
            - {id: last, bash: echo, after: load}
            - {id: first, bash: echo}
            - group: load
              after: first
              tasks:
              - {id: parse, bash: echo}
              - group: inner
                after: parse
                tasks:
                - {id: x, bash: echo}
                - {id: y, bash: echo, after: x}
              - {id: check, bash: echo, after: inner}
              - {id: side, bash: echo, after: load.parse}
              - {id: away, bash: echo, after: check, teardown: parse}
            """
        ).dag()
        func upstream(_ id: String) -> [String] {
            let task = dag.tasks.first { $0.taskID == id }
            return (task?.upstream ?? []).map { dag.tasks[$0].taskID }.sorted()
        }
        #expect(upstream("load.parse") == ["first"])
        #expect(upstream("load.inner.x") == ["load.parse"])
        #expect(upstream("load.inner.y") == ["load.inner.x"])
        #expect(upstream("load.check") == ["load.inner.y"])
        #expect(upstream("last") == ["load.check", "load.side"])
        #expect(dag.tasks.first { $0.taskID == "load.inner.x" }?.group == "load.inner")
        let teardown = dag.tasks.first { $0.taskID == "load.away" }
        #expect(teardown?.teardown?.setups.map { dag.tasks[$0].taskID } == ["load.parse"])
        #expect(teardown?.triggerRule == .allDoneSetupSuccess)
    }

    @Test("mapped tasks, first waits, short circuits and tolerated failures are read") func flow() throws {
        let dag = try Read.tasks(
            """
            - {id: list, bash: {command: "echo '[1]'", output: json}}
            - {id: each, over: list, bash: "echo {{ element }}", tolerated_failures: 20}
            - {id: wait, over: list, sensor: {file: "/x/{{ element }}"}, timeout: 5m, soft_fail: true}
            - {id: late, bash: echo, start_from: {time: {after: 1h}}, start_timeout: 2h, after: each, short_circuit: true}
            """
        ).dag()
        #expect(dag.tasks[1].mappedOver == 0 && dag.tasks[1].toleratedFailures == 20)
        #expect(dag.tasks[2].mappedOver == 0)
        guard case .sensor(let sensor) = dag.tasks[2].kind else { throw PerchError(.invalid, "no sensor") }
        #expect(sensor.timeout == .seconds(300) && sensor.softFail)
        #expect(dag.tasks[3].start?.trigger.due == .after(.seconds(3_600)))
        #expect(dag.tasks[3].start?.timeout == .seconds(7_200))
        #expect(dag.tasks[3].shortCircuits)
    }

    @Test("a mapped group is mapped as one: its first tasks over the source, the others element by element")
    func mappedGroup()
        throws
    {
        let dag = try Read.tasks(
            """
            - group: load
              over: list
              after: ready
              tolerated_failures: 10
              tasks:
              - {id: check, bash: "echo {{ element }}"}
              - group: inner
                after: check
                tasks:
                - {id: wait, sensor: {file: "/x/{{ element }}"}}
              - {id: store, bash: "echo {{ element }}", after: [inner, ready], trigger_rule: one_failed}
            - {id: ready, empty: true}
            - {id: list, bash: {command: "echo '[1]'", output: json}}
            - {id: report, bash: echo, after: load}
            """
        ).dag()
        let names = dag.tasks.map(\.taskID)
        func task(_ id: String) throws -> TaskDefinition { try #require(dag.tasks.first { $0.taskID == id }) }
        func named(_ indexes: [Int]) -> [String] { indexes.map { names[$0] }.sorted() }
        let source = names.firstIndex(of: "list")
        for id in ["load.check", "load.inner.wait", "load.store"] {
            #expect(try task(id).mappedOver == source && task(id).toleratedFailures == 10)
        }
        #expect(try named(task("load.check").upstream) == ["list", "ready"])
        #expect(try task("load.check").alignedWith.isEmpty)
        #expect(try named(task("load.inner.wait").alignedWith) == ["load.check"])
        #expect(try named(task("load.inner.wait").upstream) == ["load.check"])
        #expect(try named(task("load.store").alignedWith) == ["load.inner.wait"])
        #expect(try named(task("load.store").upstream) == ["load.inner.wait", "ready"])
        #expect(try named(task("report").upstream) == ["load.store"])
        #expect(try task("report").mappedOver == nil)
    }

    @Test("operators take their command or address alone, or a mapping") func operators() throws {
        let dag = try Read.tasks(
            """
            - {id: a, bash: {command: echo, environment: {A: 1, B: "{{ ds }}"}, working_directory: /tmp, kill_grace: 1s}}
            - id: b
              http:
                url: https://example.org/{{ ds }}
                method: POST
                headers: {x-run: "{{ run_id }}"}
                body: "{}"
                expected_status: 200-204
                timeout: 5s
                maximum_body_size: 1000
                output: json
            - {id: c, http: https://example.org}
            """
        ).dag()
        #expect(
            dag.tasks.map(\.kind) == [
                .code(operatorName: "BashOperator"), .code(operatorName: "HTTPOperator"),
                .code(operatorName: "HTTPOperator"),
            ])
    }

    @Test(
        "what a beginner gets wrong in a task is told with its place and with what would be right",
        arguments: [
            ("- bash: echo", "3:3 a task has no 'id'"),
            ("- {id: a}", "3:3 a task has one of 'bash', 'python', 'http'"),
            ("- {id: a, bash: echo, empty: true}", "3:23 a task has either 'bash' or 'empty', not both"),
            ("- {id: a, bsh: echo}", "3:11 a task has no 'bsh'; did you mean 'bash'?"),
            ("- {id: a, bash_command: echo}", "3:11 a task has no 'bash_command'; here it is called 'bash'"),
            ("- {id: a, bash: echo, depends_on: b}", "3:23 a task has no 'depends_on'; here it is called 'after'"),
            ("- {id: a, bash: echo, retries: -1}", "3:32 'retries' is a whole number from 0 to 1000000, not -1"),
            ("- {id: a, bash: echo, retries: '3'}", "3:32 'retries' is a whole number from 0 to 1000000, not '3'"),
            (
                "- {id: a, bash: echo, trigger_rule: all_don}",
                "3:37 'trigger_rule' is no 'all_don'; did you mean 'all_done'?"
            ),
            ("- {id: a, bash: echo, after: x}", "3:30 there is no task 'x'; there are a"),
            (
                "- {id: aaa, bash: echo}\n- {id: b, bash: echo, after: aab}",
                "4:30 there is no task 'aab'; did you mean 'aaa'?"
            ),
            ("- {id: a, bash: echo, after: a}", "3:30 'a' comes after itself"),
            (
                "- {id: a, bash: echo}\n- {id: a, bash: echo}",
                "4:8 the task 'a' is there already, in line 3; ids are unique in a DAG"
            ),
            (
                "- {id: a, bash: echo, after: b}\n- {id: b, bash: echo, after: a}",
                "3:3 the tasks go round in a circle: 'a' → 'b' → 'a'; take one of these edges out"
            ),
            ("- {id: a b, bash: echo}", "3:8 the task id 'a b' holds U+20"),
            ("- {id: a, bash: 'echo {{ dss }}'}", "3:17 'bash': template 1:9: 'dss' is unknown; did you mean 'ds'?"),
            ("- {id: a, bash: 'echo {{ ds'}", "3:17 'bash': template 1:6: this '{{' is not closed"),
            ("- {id: a, bash: 'echo {{ element }}'}", "3:3 task 'a': template 1:9: 'element' is for mapped tasks"),
            ("- {id: a, bash: ' '}", "3:17 bash: the command is empty"),
            ("- {id: a, bash: true}", "3:17 'bash' is a text, in quotes where it looks like something else, not true"),
            ("- {id: a, bash: {cmd: echo}}", "3:18 a shell command has no 'cmd'; here it is called 'command'"),
            ("- {id: a, bash: {command: echo, environment: {'A=B': 1}}}", "3:17 bash: 'A=B' cannot be the name"),
            ("- {id: a, http: ftp://x}", "3:17 http: the URL 'ftp://x' does not start with http:// or https://"),
            (
                "- {id: a, http: {url: http://x, expected_status: ok}}",
                "3:50 http: 'expected_status' is a status or a range"
            ),
            ("- {id: a, http: {url: http://x, headers: {a b: c}}}", "3:17 http: 'a b' is no header's name"),
            ("- {id: a, bash: echo, timeout: 5m}", "3:23 'timeout' of a task stands beside 'sensor' or 'run_dag' only"),
            (
                "- {id: a, sensor: {file: /x}, execution_timeout: 5m}",
                "3:31 a task with 'sensor' has no 'execution_timeout'"
            ),
            ("- {id: a, empty: true, retries: 3}", "3:24 a task with 'empty' has no 'retries'"),
            ("- {id: a, empty: false}", "3:18 'empty' is true, or left out, not false"),
            ("- {id: a, bash: echo, pool: 'a:b'}", "3:29 pool is 'a:b'; a pool's name has no colon"),
            ("- {id: a, bash: echo, queue: 'a b'}", "3:30 queue is 'a b'"),
            (
                "- {id: a, bash: echo, tolerated_failures: 5}",
                "3:23 'tolerated_failures' of a task stands beside 'over' only"
            ),
            ("- {id: a, bash: echo, over: b}", "3:29 there is no task 'b'"),
            ("- {id: a, bash: echo, teardown: b}", "3:33 there is no task 'b'"),
            ("- {id: a, bash: echo, trigger_rule: all_done_setup_success}", "3:3 task 'a': the trigger rule"),
            ("- {group: g, tasks: []}", "3:21 the group 'g' has no tasks"),
            (
                "- {group: g, tasks: [{id: a, bash: echo, after: g}]}",
                "3:49 'g.a' comes after 'g', a group that it stands in"
            ),
            (
                "- {group: g, after: g.a, tasks: [{id: a, bash: echo}]}",
                "3:21 the group 'g' comes after 'g.a', which stands in it"
            ),
            ("- {group: g, retries: 3, tasks: [{id: a, bash: echo}]}", "3:14 a group has no 'retries'"),
            (
                "- {group: g, tasks: [{id: a, bash: echo}]}\n- {id: b, bash: echo, after: {task: g, when: x}}",
                "4:37 a group gives no output: 'when' is for tasks"
            ),
            (
                "- {group: g, tasks: [{id: a, bash: echo}]}\n- {id: b, bash: echo, over: g}",
                "4:29 'g' is a group; name one of its tasks"
            ),
            (
                "- {group: g, over: b, tasks: [{id: a, bash: echo, over: b}]}\n- {id: b, bash: echo}",
                "3:57 'g.a' is mapped inside of the mapped group 'g'; mappings do not nest"
            ),
            (
                "- {group: g, over: b, tasks: [{group: h, over: b, tasks: [{id: a, bash: echo}]}]}\n- {id: b, bash: echo}",
                "3:48 'g.h' is mapped inside of the mapped group 'g'"
            ),
            ("- {group: g, over: x, tasks: [{id: a, bash: echo}]}", "3:20 there is no task 'x'"),
            (
                "- {group: g, over: g.a, tasks: [{id: a, bash: echo}]}",
                "3:20 the group 'g' comes after 'g.a', which stands in it"
            ),
            (
                "- {group: g, tolerated_failures: 5, tasks: [{id: a, bash: echo}]}",
                "3:14 'tolerated_failures' of a group stands beside 'over' only"
            ),
            (
                "- {group: g, over: b, tasks: [{id: a, bash: echo}, {id: c, bash: echo, teardown: a}]}\n- {id: b, bash: echo}",
                "3:52 task 'g.c': a teardown is not mapped"
            ),
            ("- just words", "3:3 'tasks[0]' is a mapping"), ("- ", "3:2 'tasks[0]' is a mapping"),
        ])
    func wrong(_ text: String, _ problem: String) {
        let problems = Read.tasks(text).problems
        #expect(problems.contains { $0.hasPrefix(problem) }, "\(problems)")
    }

    @Test("a chain of many tasks, and one of many groups, is read without a deep stack") func long() throws {
        let tasks = (0..<5_000).map { "- {id: t\($0), empty: true\($0 > 0 ? ", after: t\($0 - 1)" : "")}" }
        #expect(try Read.tasks(tasks.joined(separator: "\n")).dag().tasks.count == 5_000)
        let groups = (0..<2_000).map { index in
            "- {group: g\(index), after: [\(index > 0 ? "g\(index - 1)" : "")], tasks: [{id: a, empty: true}]}"
        }
        let dag = try Read.tasks(groups.joined(separator: "\n")).dag()
        #expect(dag.tasks[1_999].upstream == [1_998])
    }
}
