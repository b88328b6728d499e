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
    func execute(_ context: TaskContext) async throws -> Int { try context.render(command).count }
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
