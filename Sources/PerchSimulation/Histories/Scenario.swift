// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// A small history with a point, for the crash explorer.
package struct Scenario: Sendable {
    package let name: String
    /// What it shows, in a sentence.
    package let summary: String
    package let workload: Workload
    /// Faults that belong to it.
    package var faults: [Fault] = []
    package var hasStandby = false
    /// Whether it may come to different ends, all of them right: then the reference model alone judges.
    package var hasRaces = false

    init(
        _ name: String, _ summary: String, _ tasks: [SimulatedTask], _ plan: [(TimeSpan, Operation)],
        pools: [Workload.Pool] = [], horizon: TimeSpan = .seconds(60)
    ) {
        self.name = name
        self.summary = summary
        // Counted from a moment at which the first engine has come up, even where it is killed while it does.
        let start = TimeSpan.seconds(12)
        func after(_ span: TimeSpan) -> TimeSpan { TimeSpan(microseconds: start.microseconds + span.microseconds) }
        let trigger = PlannedOperation(at: after(.seconds(0)), .trigger(dagID: "d", runID: "r"))
        workload = Workload(
            dags: [SimulatedDAG("d", tasks)], pools: pools,
            plan: [trigger] + plan.map { PlannedOperation(at: after($0), $1) }, horizon: after(horizon))
    }

    private func racing() -> Scenario {
        var copy = self
        copy.hasRaces = true
        return copy
    }

    private func handingOver(_ faults: [Fault]) -> Scenario {
        var copy = self
        copy.hasStandby = true
        copy.faults = faults
        return copy
    }

    private static func code(
        _ id: String, _ actions: [TaskScript.Action], items: Int = 0, after upstream: [String] = []
    ) -> SimulatedTask {
        SimulatedTask(id, .code, TaskScript(actions, items: items), after: upstream)
    }

    private static func grouped(
        _ id: String, _ actions: [TaskScript.Action], after earlier: String? = nil, rule: TriggerRule = .allSuccess
    ) -> SimulatedTask {
        var task = SimulatedTask(id, .mapped(over: "numbers"), TaskScript(actions))
        task.group = "g"
        task.input = earlier
        task.triggerRule = rule
        return task
    }

    private static func step(_ name: String) -> TaskScript.Action { .step(name, work: .seconds(0), keep: false) }

    private static let go = SimulatedWait.event(name: "go", key: nil)
    private static let emit = Operation.emit(name: "go", key: nil, eventID: "e1", value: 1)

    /// All of them.
    package static let all: [Scenario] = [
        Scenario(
            "defer", "A task works, sleeps without a worker, and goes on.",
            [code("t", [step("before"), .sleep("s", .seconds(10)), step("after")])], []),
        Scenario(
            "fire", "A sensor and a task wait for the same event.",
            [
                SimulatedTask("sensor", .sensor(go, timeout: .seconds(600), softFail: false)),
                code("task", [.wait("w", go, timeout: .seconds(600), onTimeout: .fail), step("after")]),
                code("end", [step("x")], after: ["sensor", "task"]),
            ], [(.seconds(20), emit)]),
        Scenario(
            "timeout", "A wait whose event comes at the moment of its timeout.",
            [
                code("t", [.wait("w", go, timeout: .seconds(9), onTimeout: .goOn), step("after")]),
                SimulatedTask("s", .sensor(go, timeout: .seconds(9), softFail: true)),
            ], [(.seconds(10), emit)]
        ).racing(),
        Scenario(
            "cancel", "A wait is cancelled while its event comes.",
            [
                {
                    var task = code("t", [.wait("w", go, timeout: .seconds(600), onTimeout: .fail)])
                    task.script.onKill = .seconds(1)
                    return task
                }()
            ], [(.seconds(10), .cancelWait(dagID: "d", place: 0)), (.seconds(10), emit)]
        ).racing(),
        Scenario(
            "retry", "A task fails twice, once after a wait, and keeps a step across its tries.",
            [
                {
                    var task = code(
                        "t",
                        [
                            .step("kept", work: .seconds(0), keep: true), .sleep("s", .seconds(2)),
                            .failTries(upTo: 2), step("last"),
                        ])
                    task.retries = 3
                    return task
                }()
            ], []),
        Scenario(
            "clear", "A finished run is cleared and runs again.",
            [
                code("first", [step("a")]),
                SimulatedTask(
                    "s", .sensor(.after(.seconds(3)), timeout: .seconds(600), softFail: false), after: ["first"]),
                code("last", [.sleep("s", .seconds(2)), step("b")], after: ["s"]),
            ],
            [
                (
                    .seconds(20),
                    .clear(
                        dagID: "d", runID: "r", taskID: "first", mapIndex: nil, downstream: true, onlyFailed: false)
                )
            ]
            // Where no engine hears the clear, nothing is cleared.
        ).racing(),
        Scenario(
            "event-first", "The event comes before anybody waits for it.",
            [
                code("work", [.work(.seconds(30))]),
                SimulatedTask("s", .sensor(go, timeout: .seconds(600), softFail: false), after: ["work"]),
                code("t", [.wait("w", go, timeout: .seconds(600), onTimeout: .fail)], after: ["work"]),
            ], [(.seconds(20), emit)]),
        Scenario(
            "mapped", "A task gives three numbers, and three instances wait each for itself.",
            [
                code("numbers", [step("n")], items: 3),
                SimulatedTask(
                    "each", .mapped(over: "numbers"), TaskScript([.sleep("s", .seconds(4)), step("x")]), after: []),
                {
                    var task = code("sum", [step("y")])
                    task.input = "each"
                    return task
                }(),
            ], []),
        Scenario(
            "mapped-group",
            """
            Three tasks run one after another for each of three numbers; the numbers are cleared while the first of them \
            wait, one fails later, and its element is cleared.
            """,
            [
                code("numbers", [step("n")], items: 3),
                {
                    var task = grouped("g.look", [.sleep("s", .seconds(2)), step("x")])
                    task.script.onKill = .seconds(1)
                    return task
                }(),
                grouped("g.work", [.failTries(upTo: 1), step("y")], after: "g.look"),
                grouped("g.tell", [step("z")], after: "g.work", rule: .noneFailed),
                {
                    var task = code("sum", [step("y")])
                    task.input = "g.tell"
                    return task
                }(),
            ],
            [
                (
                    .seconds(1),
                    .clear(
                        dagID: "d", runID: "r", taskID: "numbers", mapIndex: nil, downstream: true, onlyFailed: false)
                ),
                (
                    .seconds(20),
                    .clear(
                        dagID: "d", runID: "r", taskID: "g.work", mapIndex: 1, downstream: true, onlyFailed: false)
                ),
                (
                    .seconds(30),
                    .clear(dagID: "d", runID: "r", taskID: "g.work", mapIndex: nil, downstream: true, onlyFailed: true)
                ),
            ]
        ).racing(),
        Scenario(
            "pause", "A DAG is paused while its waits fire, and unpaused later.",
            [
                SimulatedTask("s", .sensor(.after(.seconds(5)), timeout: .seconds(600), softFail: false)),
                code("t", [.sleep("s", .seconds(6)), step("a")]),
                code("end", [step("b")], after: ["s", "t"]),
            ],
            [(.seconds(3), .pause(dagID: "d", isPaused: true)), (.seconds(20), .pause(dagID: "d", isPaused: false))]),
        Scenario(
            "hand-over", "The triggerer stalls past its lease, another takes the waits, and the first wakes up.",
            [
                SimulatedTask("s", .sensor(.after(.seconds(50)), timeout: .seconds(600), softFail: false)),
                code("t", [.wait("w", go, timeout: .seconds(600), onTimeout: .fail)]),
            ], [(.seconds(55), emit)], horizon: .seconds(150)
        ).handingOver([Fault(at: 20_000_000, .stall(60_000_000))]),
        Scenario(
            "files", "A sensor on a file and one on an address, both there only after a while.",
            [
                SimulatedTask(
                    "f",
                    .sensor(
                        .file(path: "/data/in/a.csv", stableFor: .seconds(2), minimumSize: nil), timeout: .seconds(600),
                        softFail: false)),
                SimulatedTask(
                    "h",
                    .sensor(
                        .http(url: "http://one.test/job", every: .seconds(5), status: 200), timeout: .seconds(600),
                        softFail: false)),
            ],
            [
                (.seconds(4), .writeFile(path: "/data/in/a.csv", size: 10)),
                (.seconds(6), .setAnswer(url: "http://one.test/job", status: 200)),
            ]),
        Scenario(
            "pool", "Three tasks share a pool with one slot.",
            ["a", "b", "c"].map { id in
                var task = code(id, [.work(.seconds(1)), .sleep("s", .seconds(2))])
                task.pool = "narrow"
                return task
            }, [], pools: [.init(name: "narrow", slots: 1)]),
    ]
}
