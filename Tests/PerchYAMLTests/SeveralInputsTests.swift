// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchYAML

@Suite("Mapping over several tasks, and runs of other DAGs, in YAML")
struct SeveralInputsTests {
    private static let lists = """
        - {id: files, bash: {command: "echo '[1]'", output: json}}
        - {id: regions, bash: {command: "echo '[2]'", output: json}}

        """

    /// The task that makes what another is mapped over, run on some outputs.
    private static func elements(_ over: String, _ outputs: [String]) async throws -> String {
        let read = Read.tasks(lists + "- {id: load, over: \(over), bash: \"echo {{ element }}\"}\n")
        let dag = try #require(read.file.dags.first, "\(read.problems)")
        let index = try #require(dag.definition.tasks.firstIndex { $0.taskID == "load_elements" })
        let context = TaskContext(runtime: NoRuntime())
        return try await #require(dag.code[index]).run(context, outputs, nil).json
    }

    @Test("a task is mapped over a product or a zip of others, which a task of its own makes")
    func declared() throws {
        for word in ["product", "zip"] {
            let dag = try Read.tasks(
                """
                - {id: load, over: {\(word): {file: files, region: regions}}, bash: "echo {{ element.file }} {{ element.region }}"}
                - {id: files, bash: {command: "echo '[1]'", output: json}}
                - {id: regions, bash: {command: "echo '[2]'", output: json}}
                """
            ).dag()
            let names = dag.tasks.map(\.taskID)
            #expect(names == ["files", "regions", "load_elements", "load"])
            #expect(dag.tasks[2].inputs == [0, 1] && dag.tasks[2].upstream == [0, 1])
            #expect(dag.tasks[3].mappedOver == 2 && dag.tasks[3].upstream == [2])
            #expect(dag.tasks[2].location == "a.yaml:3")
        }
    }

    @Test("a group is mapped over several tasks as well, whatever stands around it") func groups() throws {
        let dag = try Read.tasks(
            Self.lists + """
                - group: outer
                  after: ready
                  tasks:
                  - group: load
                    over: {zip: {file: files, region: regions}}
                    tasks:
                    - {id: get, bash: "echo {{ element.file }}"}
                    - {id: put, bash: "echo {{ element.region }}", after: get}
                - {id: ready, empty: true}
                - {id: last, bash: echo, after: outer}
                """
        ).dag()
        func task(_ id: String) throws -> TaskDefinition { try #require(dag.tasks.first { $0.taskID == id }) }
        func names(_ indexes: [Int]) -> [String] { indexes.map { dag.tasks[$0].taskID }.sorted() }
        #expect(try names(task("outer.load_elements").upstream) == ["files", "ready", "regions"])
        #expect(try names(task("outer.load.get").upstream) == ["outer.load_elements"])
        #expect(try names(task("outer.load.put").alignedWith) == ["outer.load.get"])
        #expect(try names(task("last").upstream) == ["outer.load.put"])
    }

    @Test("a product has each element with each of the others, a zip those of one place, and neither reads them")
    func made() async throws {
        let both = "{file: files, region: regions}"
        #expect(
            try await Self.elements(
                "{product: \(both)}", ["[1.50, {\"a\": \"x,y\"}]", "[\"eu\", 12345678901234567890]"])
                == #"[{"file":1.50,"region":"eu"},{"file":1.50,"region":12345678901234567890},"#
                + #"{"file":{"a": "x,y"},"region":"eu"},{"file":{"a": "x,y"},"region":12345678901234567890}]"#)
        #expect(
            try await Self.elements("{zip: \(both)}", ["[1, 2]", "[3, 4]"])
                == #"[{"file":1,"region":3},{"file":2,"region":4}]"#)
        #expect(try await Self.elements("{product: \(both)}", ["[]", "[1]"]) == "[]")
        #expect(try await Self.elements("{zip: \(both)}", ["[]", "[]"]) == "[]")
    }

    @Test(
        "lists that do not fit, and what is no list, fail for good",
        arguments: [
            ("zip", "[1]", "[1, 2]", "zip takes as many elements of each: 'files' has 1, 'regions' has 2"),
            ("product", "3", "[1]", "what 'files' gave is no list to be mapped over: "),
            ("product", "[1]", "null", "what 'regions' gave is no list to be mapped over: "),
        ])
    func failing(_ word: String, _ first: String, _ second: String, _ message: String) async throws {
        let error = try await #require(throws: NonRetryable.self) {
            try await Self.elements("{\(word): {file: files, region: regions}}", [first, second])
        }
        #expect(error.message.hasPrefix(message), "\(error.message)")
    }

    @Test("a product that is too large is refused before it is made") func large() async throws {
        let list = "[" + Array(repeating: "1", count: 1_001).joined(separator: ",") + "]"
        let error = try await #require(throws: NonRetryable.self) {
            try await Self.elements("{product: {file: files, region: regions}}", [list, list])
        }
        #expect(error.message == "the product has 1001 × 1001 elements; it is at most 1000000")
    }

    @Test("a task starts a run of another DAG with params, and gives its end, or the output of one of its tasks")
    func runs() throws {
        let dag = try Read.tasks(
            """
            - {id: short, run_dag: other}
            - id: long
              run_dag:
                dag_id: "etl_{{ params.region }}"
                params: {day: "{{ ds }}", most: 3, nested: [true, "{{ run_id }}"]}
                output_of: list.files
              timeout: 5m
              soft_fail: true
              retries: 2
            - {id: each, over: long, bash: "echo {{ element }}"}
            - {id: many, over: list, run_dag: {dag_id: other, params: {file: "{{ element }}"}}}
            - {id: list, bash: {command: "echo '[1]'", output: json}}
            """
        ).dag()
        func sensor(_ id: String) throws -> SensorDefinition {
            let task = try #require(dag.tasks.first { $0.taskID == id })
            guard case .sensor(let sensor) = task.kind else { throw PerchError(.invalid, "no sensor") }
            return sensor
        }
        let swift = DAG("d") { dag in
            dag.run("short", of: "other")
            _ = dag.run(
                "long", of: "etl_{{ params.region }}", outputOf: "list.files", as: [Int].self,
                params: ["day": "{{ ds }}", "most": 3, "nested": [true, "{{ run_id }}"]], timeout: .minutes(5),
                softFail: true)
        }
        #expect(swift.problems == [])
        #expect(try .sensor(sensor("short")) == swift.definition.tasks[0].kind)
        #expect(try .sensor(sensor("long")) == swift.definition.tasks[1].kind)
        #expect(dag.tasks.first { $0.taskID == "long" }?.retries == 2)
        #expect(try sensor("many").startsRun == ["file": "{{ element }}"])
        let names = dag.tasks.map(\.taskID)
        #expect(dag.tasks.first { $0.taskID == "each" }?.mappedOver == names.firstIndex(of: "each_elements"))
        #expect(dag.tasks.first { $0.taskID == "many" }?.mappedOver == names.firstIndex(of: "list"))
    }

    @Test("what a task of a run gave is taken out of its end to be mapped over") func result() async throws {
        let read = Read.tasks(
            "- {id: sub, run_dag: {dag_id: o, output_of: t}}\n- {id: e, over: sub, bash: \"echo {{ element }}\"}\n")
        let dag = try #require(read.file.dags.first, "\(read.problems)")
        let index = try #require(dag.definition.tasks.firstIndex { $0.taskID == "e_elements" })
        let context = TaskContext(runtime: NoRuntime())
        let code = try #require(dag.code[index])
        #expect(try await code.run(context, [#"{"state": "success", "output": [1, "x"]}"#], nil).json == #"[1,"x"]"#)
        await #expect(throws: NonRetryable.self) { try await code.run(context, [#"{"output": 3}"#], nil) }
        await #expect(throws: NonRetryable.self) { try await code.run(context, ["null"], nil) }
    }

    @Test(
        "what is wrong with a source or a run is told at its place",
        arguments: [
            (
                "- {id: a, bash: echo, over: [files, regions]}",
                "5:29 'over' is one task, or several by names: {product: {file: files, region: regions}}, or {zip: …}, not a list"
            ),
            (
                "- {id: a, bash: echo, over: {product: [files, regions]}}",
                "5:39 'product' is a mapping: a line 'name: value' for each"
            ),
            (
                "- {id: a, bash: echo, over: {zip: {file: files}}}",
                "5:30 'zip' is of two tasks or more; of one it is 'over: TASK'"
            ),
            (
                "- {id: a, bash: echo, over: {zip: {f: files, r: regoins}}}",
                "5:49 there is no task 'regoins'; did you mean 'regions'?"
            ),
            ("- {id: a, bash: echo, over: {zip: {f: files, r: a}}}", "5:49 'a' comes after itself"),
            (
                "- {id: a, bash: echo, over: {cross: {f: files, r: regions}}}",
                "5:30 what is mapped over has no 'cross'; here it is called 'product'"
            ),
            ("- {id: a, bash: echo, over: {}}", "5:29 what is mapped over has one of 'task', 'product' and 'zip'"),
            (
                "- {id: a, bash: echo, over: {zip: {f: files, r: regions}}}\n- {id: a_elements, bash: echo}",
                "5:29 the task 'a_elements', which makes what 'a' is mapped over, is there already, in line 6"
            ),
            (
                "- {id: a, bash: echo, over: s}\n- {id: s, sensor: {file: /x}}",
                "5:29 's' gives no list to be mapped over: it is 'sensor'"
            ),
            (
                "- {id: a, bash: echo, over: s}\n- {id: s, run_dag: o}",
                "5:29 's' gives no list to be mapped over: it is 'run_dag'; with 'output_of' it gives that of a task of the other DAG"
            ),
            (
                "- {id: a, bash: echo, over: {zip: {f: files, r: s}}}\n- {id: s, empty: true}",
                "5:49 's' gives no list to be mapped over: it is 'empty'"
            ),
            (
                "- {id: a, bash: echo, after: {task: s, when: x}}\n- {id: s, run_dag: o}",
                "5:37 's' is 'run_dag', whose output is no branch's"
            ),
            ("- {id: a, run_dag: my dag}", "5:3 task 'a': the DAG id 'my dag' holds U+20"),
            ("- {id: a, run_dag: {params: {x: 1}}}", "5:20 a run of another DAG has no 'dag_id': the other DAG"),
            (
                "- {id: a, run_dag: {dag_id: o, conf: {x: 1}}}",
                "5:32 a run of another DAG has no 'conf'; here it is called 'params'"
            ),
            (
                "- {id: a, run_dag: {dag_id: o, params: {x: '{{ dss }}'}}}",
                "5:3 task 'a': template 1:4: 'dss' is unknown"
            ),
            (
                "- {id: a, run_dag: {dag_id: o, params: {x: '{{ element }}'}}}",
                "5:3 task 'a': template 1:4: 'element' is for mapped tasks"
            ),
            ("- {id: a, trigger_dag_id: o}", "5:11 a task has no 'trigger_dag_id'; here it is called 'run_dag'"),
            ("- {id: a, run_dag: o, execution_timeout: 1m}", "5:23 a task with 'run_dag' has no 'execution_timeout'"),
            ("- {id: a, run_dag: o, bash: echo}", "5:23 a task has either 'run_dag' or 'bash', not both"),
        ])
    func wrong(_ text: String, _ problem: String) {
        let problems = Read.tasks(Self.lists.replacing("\n\n", with: "\n") + text).problems
        #expect(problems.contains { $0.hasPrefix(problem) }, "\(problems)")
    }
}
