// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@Suite("A mapped group as it is declared")
struct MappedGroupTests {
    private enum Size: String, Codable { case small, large }

    private func problems(_ build: (borrowing DAGBuilder, TaskReference<[Int]>) -> Void) -> [String] {
        DAG("d") { dag in build(dag, dag.task("list") { _ in [1, 2] }) }.problems.map(\.description)
    }

    @Test(
        "Its tasks are mapped over the source, those behind others element by element; what follows comes after its ends"
    )
    func shape() throws {
        let dag = DAG("d") { dag in
            let ready = dag.empty("ready")
            let numbers = dag.task("list") { _ in [1, 2] }
            let stored = dag.mapGroup("load", over: numbers, after: ready) { group, number in
                let checked = group.task("check", number) { _, number in "\(number)" }
                let landed = group.sensor("landed", .probe("/in/{{ element }}"), after: checked)
                group.add("tell", .shell("echo {{ element }}"), after: landed)
                return group.task("store", number, checked, landed, after: ready) { _, number, checked, event in
                    number + checked.count + event.answer
                }
            }
            dag.task("report", stored) { _, stored in stored.reduce(0, +) }
            dag.tolerate(stored, failingPercent: 5)
            dag.limit(stored, atMost: 4)
        }
        #expect(dag.problems == [])
        let tasks = dag.definition.tasks
        func task(_ id: String) throws -> TaskDefinition { try #require(tasks.first { $0.taskID == id }) }
        func named(_ indexes: [Int]) -> [String] { indexes.map { tasks[$0].taskID } }
        let source = tasks.firstIndex { $0.taskID == "list" }
        let members = ["load.check", "load.landed", "load.tell", "load.store"]
        for id in members {
            #expect(try task(id).mappedOver == source && task(id).group == "load" && task(id).toleratedFailures == 5)
            #expect(try task(id).limits.count == (id == "load.landed" ? 0 : 1))
        }
        #expect(try named(task("load.check").upstream) == ["ready", "list"])
        #expect(try task("load.check").alignedWith.isEmpty && task("load.check").inputs.isEmpty)
        #expect(try named(task("load.landed").alignedWith) == ["load.check"])
        #expect(try named(task("load.store").alignedWith) == ["load.check", "load.landed"])
        #expect(try named(task("load.store").upstream) == ["ready", "load.check", "load.landed"])
        #expect(try named(task("load.store").inputs) == ["load.check", "load.landed"])
        #expect(try named(task("report").inputs) == ["load.store"])
        #expect(try named(task("report").upstream) == ["load.tell", "load.store"])
        #expect(try DAGDefinition(json: dag.definition.json) == dag.definition)
    }

    @Test(
        "A branch, a short circuit, a first wait, a callback and a group stand inside; one may be mapped over what it gave"
    )
    func inside() throws {
        let dag = DAG("d") { dag in
            let numbers = dag.task("list") { _ in [1, 2] }
            let given = dag.mapGroup("each", over: numbers) { group, number in
                let size = group.task("measure", number) { _, number in number > 1 ? Size.large : .small }
                let go = group.task("go", after: size.when(.large)) { _ in true }
                group.shortCircuit(go)
                group.on(.failure, of: go) { _, _ in }
                let inner = group.group("inner", after: go) { inner in
                    inner.task("late", number, startFrom: .probe("/{{ element }}")) { _, event, number in
                        event.answer + number
                    }
                }
                return inner.value
            }
            dag.map("again", over: given) { _, number in number }
            dag.mapGroup("more", over: given) { group, number in
                group.task("x", number) { _, _ in }
            }
            dag.mapGroup("quiet", over: numbers) { group, number in
                group.task("a", number) { _, _ in }
                group.task("b", number) { _, _ in }
            }
        }
        #expect(dag.problems == [])
        #expect(try DAGDefinition(json: dag.definition.json) == dag.definition)
    }

    @Test("In a group its source begins, and it ends the group; a task inside may take all that the source gave")
    func inAGroup() throws {
        let dag = DAG("d") { dag in
            let first = dag.empty("first")
            let outer = dag.group("outer", after: first) { outer in
                let numbers = outer.task("list") { _ in [1, 2] }
                return outer.mapGroup("load", over: numbers) { group, number in
                    let one = group.task("one", number) { _, number in number }
                    return group.task("two", one, numbers, after: numbers) { _, one, numbers in one + numbers.count }
                }
            }
            dag.task("last", outer.value, after: outer) { _, numbers in numbers.count }
            dag.on(.failure, of: outer.value) { _, _ in }
        }
        #expect(dag.problems == [])
        let tasks = dag.definition.tasks
        func upstream(_ id: String) -> [String] {
            (tasks.first { $0.taskID == id }?.upstream ?? []).map { tasks[$0].taskID }
        }
        #expect(upstream("outer.list") == ["first"])
        #expect(upstream("outer.load.one") == ["outer.list"])
        #expect(upstream("outer.load.two") == ["outer.list", "outer.load.one"])
        #expect(upstream("last") == ["outer.load.two"])
        let callback = try #require(tasks.last?.callback)
        #expect(callback.tasks.map { tasks[$0].taskID } == ["outer.load.one", "outer.load.two"])
    }

    @Test("What is declared wrongly is said with its place")
    func wrong() {
        let line = #line + 4
        let nested = problems { dag, list in
            dag.mapGroup("g", over: list) { group, number in
                let lists = group.task("lists", number) { _, number in [number] }
                group.map("inner", over: lists) { _, _ in }
                group.mapGroup("deep", over: lists) { deep, number in deep.task("x", number) { _, _ in } }
            }
        }
        #expect(nested.count == 2, "\(nested)")
        #expect(
            nested.first?.hasPrefix("\(#fileID):\(line): task 'g.inner' is mapped inside of the mapped group 'g'")
                == true)
        #expect(nested.last?.contains("the group 'g.deep' is mapped inside of the mapped group 'g'") == true)

        let leaked = problems { dag, list in
            var inner: TaskReference<Int>?
            var element: TaskReference<Int>?
            dag.mapGroup("g", over: list) { group, number in
                element = number
                inner = group.task("a", number) { _, number in number }
            }
            guard let inner, let element else { return }
            dag.task("b", inner) { _, _ in }
            dag.task("c", element) { _, _ in }
            dag.task("d", after: element) { _ in }
            dag.task("right", after: inner) { _ in }
        }
        #expect(leaked.count == 3, "\(leaked)")
        #expect(leaked.first?.contains("task 'b' takes the output of 'g.a', which each element") == true)
        #expect(leaked.dropFirst().allSatisfy { $0.contains("takes the element of the mapped group 'g'") })

        #expect(problems { $0.mapGroup("g", over: $1) { _, _ in } }[0].contains("the mapped group 'g' has no tasks"))
        let foreign = problems { dag, list in
            let other = dag.task("other") { _ in 1 }
            dag.mapGroup("g", over: list) { group, number in
                group.task("a", number) { _, _ in }
                return other
            }
        }
        #expect(foreign.first?.contains("the mapped group 'g' gives what is none of its tasks") == true, "\(foreign)")

        let rules = problems { dag, list in
            let gate = dag.task("gate") { _ in true }
            let given = dag.mapGroup("g", over: list, after: gate) { group, number in
                let setup = group.task("setup", number, triggerRule: .oneSuccess) { _, _ in true }
                let away = group.task("away", after: setup) { _ in }
                group.teardown(away, of: setup)
                return setup
            }
            dag.task("x", after: given.optionalElements()) { _ in }
        }
        #expect(rules.contains { $0.contains("task 'g.away': a teardown is not mapped") }, "\(rules)")
        #expect(rules.contains { $0.contains("task 'g.setup': it is mapped, and how often") }, "\(rules)")
        #expect(problems { $0.mapGroup("a b", over: $1) { group, _ in group.empty("x") } }.count == 2)
    }
}
