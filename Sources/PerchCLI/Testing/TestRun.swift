// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import PerchExecutor
internal import PerchMetastore
internal import PerchSDK

/// One run of one DAG in this process: every role of `standalone`, on a home that is made for the run and removed after
/// it, with the code of the tasks beside them. No schedule starts anything.
struct TestRun {
    let dag: DAG
    /// The triggers that the bundle declares.
    var triggers: [any AsyncTrigger.Type] = []
    var runID: String?
    var logicalDate: Timestamp?
    var params = JSONValue.object([:])
    /// Sent as soon as the run is there.
    var events: [NewEvent] = []
    /// Whether the clock jumps over what nothing happens in.
    var isFastForward = false
    /// How long the run may take by the clock on the wall.
    var timeout: TimeSpan?
    /// The tasks that are told of; nil: all.
    var tasks: Set<String>?

    /// How the run ended.
    struct Outcome: Sendable {
        var state: RunState
        /// Of the tasks that are told of, in their order.
        var instances: [TaskInstanceRow]
        /// What ended it, where it was not the run itself.
        var reason: String?
    }

    /// The run's answer to a signal.
    struct Stopped: Error {}

    /// Long enough to hold over every jump, and short enough to be added to any instant.
    private static let long = TimeSpan.seconds(100 * 365 * 86_400)

    /// Runs it to its end.
    /// - Throws: `Stopped` after a signal.
    func outcome() async throws -> Outcome {
        let environment = ProcessEnvironment.current
        let level = environment["PERCH__LOG__LEVEL"] == nil ? ["log.level=warning"] : []
        let configuration = try Configuration(flags: level, environment: environment, file: nil, path: "")
        // What the code of tasks prints comes out between the report's lines, and not at the end.
        clinux_line_buffer_output()
        try StopSignals.listen()
        let borrowed = try await BorrowedSecrets()
        do {
            let outcome = try await outcome(configuration, borrowed)
            try borrowed.close()
            return outcome
        } catch {
            try? borrowed.close()  // because the first fault is the one to tell
            throw error
        }
    }

    private func outcome(_ configuration: Configuration, _ borrowed: BorrowedSecrets) async throws -> Outcome {
        let temporary = try TemporaryHome(environment: ProcessEnvironment.current)
        defer { temporary.remove() }
        let clock = JumpingClock()
        let report = RunReport(tasks: tasks, clock: clock)
        let engine = try Engine(
            home: temporary.home, configuration: configuration,
            edges: Engine.Edges(
                clock: clock,
                launcher: InProcessBundle(
                    dags: [unscheduled], triggers: triggers, clock: clock,
                    outputs: Engine.keeping(temporary.home, configuration)),
                logs: report,
                lease: isFastForward ? Self.long : nil, secrets: borrowed.secrets))
        try await borrowed.lend(to: engine.metastore)
        _ = try await engine.start()
        do {
            let outcome = try await TestWatch(self, engine, clock, report).untilEnd()
            report.end()
            try await engine.stop()
            return outcome
        } catch {
            report.end()
            do {
                try await engine.stop()
            } catch let second {
                Console.shared.say("note: the engine did not stop cleanly: \(second)")
            }
            throw error
        }
    }

    private var unscheduled: DAG {
        var definition = dag.definition
        definition.schedule = .none
        definition.isTest = true
        return DAG(definition: definition, code: dag.code, of: dag)
    }
}
