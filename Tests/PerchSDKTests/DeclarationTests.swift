// SPDX-License-Identifier: Apache-2.0
import PerchSDK
import Testing

struct Row: Codable, Sendable, Hashable {
    var name: String
    var size: Int
}

/// A kind of wait for tests.
struct Probe: Trigger {
    struct Event: Codable, Sendable, Hashable { var answer: Int }
    static let kind = "probe"
    var target: String
    var note: String?
}

extension Trigger where Self == Probe {
    static func probe(_ target: String, note: String? = nil) -> Probe { Probe(target: target, note: note) }
}

struct Shell: Operator {
    var command: String
    static let hasOnKill = true
    var templates: [String] { [command] }
    func execute(_ context: TaskContext) async throws -> Int { try await context.render(command).count }
}

struct Tell: Operator {
    func execute(_ context: TaskContext) async throws { context.log.info("told") }
}

extension Operator where Self == Shell {
    static func shell(_ command: String) -> Shell { Shell(command: command) }
}

func addMany(_ dag: borrowing DAGBuilder, count: Int) -> [TaskReference<Probe.Event>] {
    (0..<count).map { dag.sensor("probe_\($0)", .probe("/data/\($0)")) }
}

@Suite struct DeclarationTests {
    @Test("the shape of the design compiles and becomes data") func shape() throws {
        let dag = DAG(
            "daily_orders", schedule: .cron("0 6 * * *", timeZone: "Europe/Paris"), start: "2026-01-01", catchup: true,
            maxActiveRuns: 2, params: ["region": "eu"], description: "Orders", tags: ["sales"]
        ) { dag in
            let landed = dag.sensor("landed", .probe("/data/in/{{ ds }}.csv"), timeout: .hours(6), softFail: true)
            let rows = dag.task("parse", after: landed, retries: 3, retryDelay: .minutes(1)) { context in
                [Row(name: context.ds, size: 1)]
            }
            let sizes = dag.map("load", over: rows) { context, row in row.size + context.mapIndex }
            let answer = dag.task("answer", landed) { _, event in event.answer }
            dag.task("report", rows, sizes, answer, pool: "reports", priority: 5) { context, rows, sizes, answer in
                context.log.info("\(rows.count) \(sizes.count) \(answer)")
            }
            let told = dag.add("tell", .shell("notify '{{ run_id }}'"), after: sizes, landed, triggerRule: .allDone)
            dag.add("void", Tell(), after: told)
            dag.map("each", over: sizes) { _, size in if size < 0 { throw NonRetryable("negative") } }
            let many = addMany(dag, count: 3)
            dag.task("summary", after: many) { _ in }
            for name in ["x", "y"] { dag.task("loop_\(name)", after: TaskReferences([landed, rows])) { _ in name } }
        }
        #expect(dag.problems.map(\.description) == [])
        let tasks = dag.definition.tasks
        #expect(
            tasks.map(\.taskID) == [
                "landed", "parse", "load", "answer", "report", "tell", "void", "each", "probe_0", "probe_1", "probe_2",
                "summary", "loop_x", "loop_y",
            ])
        #expect(tasks[4].upstream == [1, 2, 3])
        #expect(tasks[4].inputs == [1, 2, 3])
        #expect(tasks[2].mappedOver == 1)
        #expect(tasks[5].upstream == [0, 2])
        #expect(tasks[5].triggerRule == .allDone)
        #expect(tasks[5].hasOnKill)
        #expect(tasks[5].kind == .code(operatorName: "Shell"))
        #expect(tasks[11].upstream == [8, 9, 10])
        #expect(tasks[1].retries == 3)
        #expect(tasks[1].retryDelay == .seconds(60))
        #expect(tasks[4].pool == "reports")
        #expect(dag.code[0] == nil && dag.code[1] != nil)
        guard case .sensor(let sensor) = tasks[0].kind else { throw NonRetryable("no sensor") }
        #expect(sensor.softFail && sensor.timeout == .seconds(6 * 3_600))
        #expect(sensor.trigger.kind == "probe" && sensor.trigger.target == "/data/in/{{ ds }}.csv")
    }
}

@Suite struct DeclarationProblemTests {
    static func problems(of dag: DAG) -> [String] { dag.problems.map(\.description) }

    @Test("a repeated task id names both places") func duplicate() {
        let first = #line + 2
        let dag = DAG("d") { dag in
            dag.task("a") { _ in }
            dag.task("a") { _ in }
        }
        let file = #fileID
        #expect(
            Self.problems(of: dag) == [
                "\(file):\(first + 1): the task id 'a' is taken by \(file):\(first); task ids are unique in a DAG"
            ])
    }

    @Test("what is mapped over runs code, for only that gives its list element by element") func mappedOverAWait() {
        let dag = DAG("d") { dag in
            let numbers = dag.run("numbers", of: "other", outputOf: "list", as: [Int].self)
            dag.map("each", over: numbers) { _, number in number }
            dag.mapGroup("group", over: numbers) { group, number in group.task("inside", number) { _, number in number }
            }
            let list = dag.task("numbers_list", numbers) { _, list in list }
            dag.map("right", over: list) { _, number in number }
        }
        let problems = Self.problems(of: dag)
        #expect(problems.count == 2, "\(problems)")
        #expect(problems.allSatisfy { $0.contains("it is mapped over 'numbers', which runs no code") }, "\(problems)")
        #expect(problems.first?.contains("task 'each'") == true && problems.last?.contains("inside") == true)
    }

    @Test("a cycle is named task by task") func cycle() {
        let dag = DAG("d") { dag in
            let a = dag.task("a") { _ in 1 }
            let b = dag.task("b", a) { _, one in one }
            let c = dag.task("c", after: b) { _ in }
            dag.task("d", after: c) { _ in }
            dag.order(c, before: a)
            dag.task("free") { _ in }
        }
        #expect(dag.problems.count == 1)
        #expect(
            dag.problems.first?.message
                == "the tasks go round in a circle: 'a' → 'b' → 'c' → 'a'; take one of these edges out")
        #expect(dag.definition.tasks.map(\.taskID) == ["free", "a", "b", "c", "d"])
        let own = DAG("d") { dag in
            let a = dag.task("a") { _ in }
            dag.order(a, before: a)
        }
        #expect(own.problems.first?.message.contains("'a' → 'a'") == true)
    }

    @Test("a later edge puts tasks in order, the first declared first") func order() {
        let dag = DAG("d") { dag in
            let a = dag.task("a") { _ in }
            let b = dag.task("b") { _ in }
            let c = dag.task("c") { _ in 1 }
            dag.task("e", c) { _, _ in }
            dag.order(c, before: a)
            dag.order([a, a], before: b)
        }
        #expect(dag.problems == [])
        #expect(dag.definition.tasks.map(\.taskID) == ["c", "a", "b", "e"])
        #expect(dag.definition.tasks.map(\.upstream) == [[], [0], [1], [0]])
        #expect(dag.definition.tasks[3].inputs == [0])
    }

    @Test("every order is topological and stable") func randomOrders() {
        var random = Seeded(6)
        for _ in 0..<200 {
            let count = Int.random(in: 1...30, using: &random)
            let rank = Array(0..<count).shuffled(using: &random)
            let edges = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                (Int.random(in: 0..<count, using: &random), Int.random(in: 0..<count, using: &random))
            }.filter { rank[$0.0] < rank[$0.1] }
            let dag = DAG("d") { dag in
                let tasks = (0..<count).map { dag.task("t\($0)") { _ in } }
                for (before, after) in edges { dag.order(tasks[before], before: tasks[after]) }
            }
            #expect(dag.problems == [])
            for (index, task) in dag.definition.tasks.enumerated() {
                #expect(task.upstream.allSatisfy { $0 < index } && task.upstream == Set(task.upstream).sorted())
            }
            let place = Dictionary(uniqueKeysWithValues: dag.definition.tasks.enumerated().map { ($1.taskID, $0) })
            for (before, after) in edges {
                #expect(dag.definition.tasks[place["t\(after)"]!].upstream.contains(place["t\(before)"]!))
            }
        }
    }

    @Test("a task of another DAG is refused") func foreign() {
        var stolen: TaskReference<Int>?
        let first = DAG("first") { dag in stolen = dag.task("a") { _ in 1 } }
        let second = DAG("second") { dag in
            guard let stolen else { return }
            dag.task("b", stolen) { _, _ in }
            dag.task("c", after: stolen) { _ in }
            let d = dag.task("d") { _ in }
            dag.order(d, before: stolen)
        }
        #expect(first.problems == [])
        #expect(second.problems.count == 3)
        #expect(second.problems[0].message.contains("task 'b' comes after 'a', a task of another DAG"))
        #expect(second.problems.allSatisfy { $0.message.contains("another DAG") })
    }

    @Test(
        "an ill-formed id is refused",
        arguments: ["", ".", "..", "a b", "a/b", "ä", "a\n", "{{ ds }}", String(repeating: "a", count: 251)])
    func ids(_ id: String) {
        let dag = DAG(id) { dag in dag.task(id) { _ in } }
        #expect(dag.problems.count == 2)
        #expect(dag.problems.allSatisfy { !$0.message.contains("\n") && $0.file == #fileID })
        #expect(DAG(String(repeating: "a", count: 250)) { _ in }.problems == [])
    }

    @Test("a wrong schedule, start, limit or option is a problem with its place") func options() {
        #expect(Self.problems(of: DAG("d", schedule: .cron("61 * * * *")) { _ in })[0].contains("wrong minute"))
        #expect(Self.problems(of: DAG("d", schedule: "@dayly") { _ in })[0].contains("unknown preset '@dayly'"))
        #expect(
            Self.problems(of: DAG("d", schedule: .cron("0 0 * * *", timeZone: "X/Y")) { _ in })[0].contains(
                "unknown time zone 'X/Y'"))
        #expect(
            Self.problems(of: DAG("d", start: "2026-02-30") { _ in })[0].contains("start: '2026-02-30' is no instant"))
        #expect(
            Self.problems(of: DAG("d", start: "2026-02-02", end: "2026-02-01") { _ in })[0].contains("before its start")
        )
        #expect(Self.problems(of: DAG("d", maxActiveRuns: 0) { _ in })[0].contains("maxActiveRuns is 0"))
        #expect(Self.problems(of: DAG("d", defaults: TaskOptions(retries: -1)) { _ in }).count == 1)
        let line = #line + 2
        let dag = DAG("d") { dag in
            dag.task(
                "a", retries: -1, retryDelay: .seconds(-1), maxRetryDelay: .seconds(-1), executionTimeout: .zero,
                taskTimeout: .seconds(-5), killTimeout: .seconds(-1), pool: "", poolSlots: 0
            ) { _ in }
            dag.sensor("s", .probe("x"), timeout: .zero)
        }
        #expect(dag.problems.count == 9)
        #expect(dag.problems[0].description == "\(#fileID):\(line): task 'a': retries is -1; it is a number from 0")
    }

    @Test("where code runs, and with which version, is part of the definition; what is neither is refused by name")
    func isolation() throws {
        let dag = DAG("d", versioning: .pinned, defaults: TaskOptions(isolation: .process)) { dag in
            dag.task("alone") { _ in }
            dag.task("beside", isolation: .shared) { _ in }
        }
        #expect(dag.definition.versioning == .pinned)
        #expect(dag.definition.tasks.map(\.isolation) == [.process, .shared])
        #expect(try DAGDefinition(parsing: dag.definition.text) == dag.definition)
        for (from, to, word) in [
            (#""isolation":"process""#, #""isolation":"thread""#, "'isolation'"),
            (#""versioning":"pinned""#, #""versioning":"latest""#, "'versioning'"),
        ] {
            let text = dag.definition.text.replacing(from, with: to)
            #expect(text != dag.definition.text)
            let error = #expect(throws: PerchError.self) { try DAGDefinition(parsing: text) }
            #expect(error?.message.contains(word) == true, "\(String(describing: error))")
        }
    }

    @Test("a wrong template or trigger is found where it is declared") func templates() {
        struct Picky: Trigger {
            struct Event: Codable, Sendable {}
            static let kind = "picky"
            var target = "x"
            var limit = Double.infinity
            var problems: [String] { ["limit is infinite"] }
        }
        let dag = DAG("d") { dag in
            dag.sensor("a", .probe("/{{ dss }}", note: "{{ ds"))
            dag.sensor("b", Picky())
            dag.add("c", .shell("{{ var.x }}"))
            dag.add("e", .shell("{{ params.x }}"))
        }
        #expect(dag.problems.count == 4)
        #expect(dag.problems[0].message.contains("template 1:5: 'dss' is unknown; did you mean 'ds'?"))
        #expect(dag.problems[1].message.contains("not closed"))
        #expect(dag.problems[2].message == "sensor 'b': limit is infinite")
        #expect(dag.problems[3].message.contains("'var.x' is unknown"))
    }

    @Test("DAG ids are unique in a bundle") func bundle() {
        let line = #line + 1
        let dags = [DAG("a") { _ in }, DAG("b") { dag in dag.task("") { _ in } }, DAG("a") { _ in }]
        let found = DAG.problems(in: dags)
        #expect(found.count == 2)
        #expect(found[1].message.contains("the DAG id 'a' is taken by \(#fileID):\(line)"))
    }

    @Test("a start date is midnight in the schedule's zone") func start() {
        let dag = DAG(
            "d", schedule: .cron("0 6 * * *", timeZone: "Europe/Paris"), start: "2026-01-01",
            end: "2026-12-31T00:00:00Z"
        ) { _ in }
        #expect(dag.definition.start?.description == "2025-12-31T23:00:00Z")
        #expect(dag.definition.end?.description == "2026-12-31T00:00:00Z")
        #expect(DAG("d", start: "2026-01-01") { _ in }.definition.start?.description == "2026-01-01T00:00:00Z")
    }

    @Test("schedules become data") func schedules() {
        #expect(Schedule.daily.definition == .cron(expression: "0 0 * * *", timeZone: "UTC"))
        #expect(
            Schedule.preset("@hourly", timeZone: "Asia/Kathmandu").definition
                == .cron(expression: "0 * * * *", timeZone: "Asia/Kathmandu"))
        #expect(
            Schedule.manual == .none && Schedule.once.definition == .once
                && Schedule.continuous.definition == .continuous)
        #expect(("5 4 * * *" as Schedule).definition == .cron(expression: "5 4 * * *", timeZone: "UTC"))
        for schedule in [Schedule.hourly, .daily, .weekly, .monthly, .quarterly, .yearly] {
            #expect(schedule.problem == nil)
        }
    }

    @Test("a task's options fall back to the DAG's, and then to the field's") func defaults() throws {
        let dag = DAG("d", defaults: TaskOptions(retries: 2, pool: "p", triggerRule: .allDone)) { dag in
            dag.task("a", retries: 0) { _ in }
            dag.sensor("s", .probe("x"), pool: "q")
        }
        let tasks = dag.definition.tasks
        #expect(tasks.map(\.retries) == [0, 2] && tasks.map(\.pool) == ["p", "q"])
        #expect(tasks.allSatisfy { $0.triggerRule == .allDone && $0.retryDelay == .seconds(300) && $0.poolSlots == 1 })
    }

    @Test("a trigger comes back from its spec") func specs() throws {
        let probe = Probe(target: "/a", note: "n")
        let spec = try TriggerSpec(probe)
        #expect(spec == TriggerSpec(kind: "probe", target: "/a", definition: ["target": "/a", "note": "n"]))
        #expect(try spec.trigger(as: Probe.self) == probe)
        #expect(throws: PerchError.self) { try TriggerSpec(kind: "file", target: "").trigger(as: Probe.self) }
        let error = try #require(throws: PerchError.self) {
            try TriggerSpec(kind: "probe", target: "/a").trigger(as: Probe.self)
        }
        #expect(error.message.contains("'probe' wait for /a"))
    }

    @Test("the weight rule adds the priorities of what comes after, or before, each once") func weights() {
        func priorities(_ rule: WeightRule) -> [Int] {
            DAG("d", weightRule: rule) { dag in
                let a = dag.task("a", priority: 1) { _ in }
                let b = dag.task("b", after: a, priority: 10) { _ in }
                let c = dag.task("c", after: a, priority: 100) { _ in }
                dag.task("d", after: b, c, priority: 1_000) { _ in }
                dag.on(.failure) { _, _ in }
            }.definition.tasks.prefix(4).map(\.priority)
        }
        #expect(priorities(.absolute) == [1, 10, 100, 1_000])
        #expect(priorities(.downstream) == [1_111, 1_010, 1_100, 1_000])
        #expect(priorities(.upstream) == [1, 11, 101, 1_111])
    }
}
