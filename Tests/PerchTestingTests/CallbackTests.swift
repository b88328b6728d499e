// SPDX-License-Identifier: Apache-2.0

import Foundation
import Perch
import PerchTesting
import Testing

@Suite("Callbacks")
struct CallbackTests {
    /// What callbacks were told, each call once however often it was tried.
    private final class Told: @unchecked Sendable {
        private let lock = NSLock()
        private var all: [CallbackCause] = []

        func add(_ cause: CallbackCause) { lock.withLock { all.append(cause) } }
        var causes: [CallbackCause] { lock.withLock { all } }
        var lines: [String] {
            causes.map { cause in
                let place = cause.mapIndex.map { "[\($0)]" } ?? ""
                return "\(cause.event) \(cause.taskID ?? "run")\(place) \(cause.message ?? "-")"
            }.sorted()
        }
    }

    private func run(
        _ told: Told, advance: Duration = .minutes(30), _ build: @escaping (borrowing DAGBuilder) -> Void
    ) async throws -> (tester: DAGTester, run: TestRun) {
        let tester = try DAGTester(dags: DAG("d") { build($0) }, at: "2026-01-01T00:00:00Z")
        let run = try await tester.trigger("d")
        try await tester.finish(atMost: advance)
        return (tester, run)
    }

    @Test("A run that fails and a task that is tried again and fails are told of, each with its error, once a time")
    func failure() async throws {
        let told = Told()
        let (tester, run) = try await run(told) { dag in
            let load = dag.task("load", retries: 1, retryDelay: .seconds(10)) { context in
                throw PerchError(.unavailable, "no \(context.tryNumber)")
            }
            dag.task("after", after: load) { _ in }
            dag.on(.failure, .success) { _, cause in told.add(cause) }
            dag.on(.retry, .failure, .success, of: load) { _, cause in told.add(cause) }
        }
        try await tester.advance(by: .minutes(1))
        #expect(
            told.lines == [
                "failure load no 2", "failure run -", "retry load no 1",
            ], "\(told.lines)")
        #expect(told.causes.allSatisfy { $0.dagID == "d" && $0.runID == run.runID })
        #expect(try await tester.state(of: run) == .failed)
        let calls = try await tester.tasks(of: run).filter { $0.taskID == "on_retry_or_failure_or_success_of_load" }
        #expect(calls.map(\.state) == [.success, .success])
    }

    @Test("Waits, skips and successes are told of, of each instance of a mapped task")
    func others() async throws {
        let told = Told()
        let (tester, _) = try await run(told) { dag in
            let wait = dag.sensor("wait", .after(.minutes(1)))
            let flag = dag.task("flag", after: wait) { _ in false }
            let never = dag.task("never", after: flag.when(true)) { _ in }
            let numbers = dag.task("numbers") { _ in [1, 2] }
            let squares = dag.map("squares", over: numbers) { _, number in number * number }
            dag.on(.deferred, .success, of: wait, id: "of_wait") { _, cause in told.add(cause) }
            dag.on(.skipped, of: never) { _, cause in told.add(cause) }
            dag.on(.success, of: squares) { _, cause in told.add(cause) }
        }
        try await tester.settle()
        #expect(
            told.lines.map { $0.split(separator: " ").prefix(2).joined(separator: " ") } == [
                "defer wait", "skipped never", "success squares[0]", "success squares[1]", "success wait",
            ], "\(told.lines)")
    }

    @Test("A deadline calls while the run goes on, several each once, and not for a run that has ended in time")
    func deadlines() async throws {
        let told = Told()
        let (tester, run) = try await run(told, advance: .hours(4)) { dag in
            dag.sensor("wait", .after(.hours(2)))
            dag.on(.deadline(.minutes(30)), .deadline(.hours(1)), .deadline(.hours(3)), id: "late") { _, cause in
                told.add(cause)
            }
        }
        try await tester.advance(by: .hours(4))
        #expect(told.lines == ["deadline run not ended after 1h", "deadline run not ended after 30m"], "\(told.lines)")
        #expect(told.causes.map(\.at.description) == ["2026-01-01T00:30:00Z", "2026-01-01T01:00:00Z"])
        #expect(try await tester.state(of: run) == .success)
    }

    @Test("A callback that fails is tried again and fails nothing; it may wait, and a paused DAG does not hold it")
    func callsOfTheirOwn() async throws {
        let told = Told()
        let (tester, run) = try await run(told) { dag in
            dag.task("t") { _ in }
            dag.on(.success, id: "tell", retries: 1) { context, cause in
                try await context.sleep(for: .hours(1))
                if context.tryNumber == 1 { throw PerchError(.unavailable, "mail server is down") }
                told.add(cause)
            }
            dag.on(.success, id: "broken", retries: 0) { _, _ in throw NonRetryable("never") }
        }
        #expect(try await tester.state(of: run) == .success)
        try await tester.pause("d")
        try await tester.crash(powerLoss: true)
        try await tester.advance(by: .hours(3))
        #expect(told.lines == ["success run -"])
        #expect(try await tester.task("broken", in: run, mapIndex: 0).state == .failed)
        #expect(try await tester.state(of: run) == .success)
        // A clear of the run clears its steps; the callbacks are called again by what happens then.
        try await tester.unpause("d")
        try await tester.clear(in: run)
        try await tester.advance(by: .hours(3))
        #expect(told.lines == ["success run -", "success run -"])
    }

    @Test("A cancelled run is told of as failed; what it was told before is not cancelled with it")
    func cancelled() async throws {
        let told = Told()
        let tester = try DAGTester(
            dags: DAG("d") { dag in
                let bad = dag.task("bad") { _ in throw NonRetryable("no") }
                dag.sensor("wait", .after(.hours(9)))
                dag.on(.failure, of: bad) { context, cause in
                    try await context.sleep(for: .minutes(5))
                    told.add(cause)
                }
                dag.on(.failure) { _, cause in told.add(cause) }
            })
        let run = try await tester.trigger("d")
        #expect(try await tester.cancel(run))
        try await tester.advance(by: .minutes(10))
        #expect(told.lines == ["failure bad no", "failure run cancelled by test"], "\(told.lines)")
        #expect(try await tester.state(of: run) == .failed)
    }

    @Test("An operator is a notifier: its templates know what has happened")
    func notifier() async throws {
        struct Note: Operator {
            let text: String
            let told: Told
            var templates: [String] { [text] }
            func execute(_ context: TaskContext) async throws {
                told.add(
                    CallbackCause(
                        event: try await context.render(text), dagID: "", runID: "", state: "",
                        at: try await context.now))
            }
        }
        let told = Told()
        let (tester, _) = try await run(told) { dag in
            let bad = dag.task("bad") { _ in throw NonRetryable("no such table") }
            dag.on(.failure, of: bad, do: Note(text: "{{ element.task_id }}: {{ element.message }}", told: told))
        }
        try await tester.settle()
        #expect(told.causes.map(\.event) == ["bad: no such table"])
    }

    @Test("What is wrong with a callback is said where it is declared")
    func wrong() throws {
        let problems = DAG.problems(in: [
            DAG("d") { dag in
                let task = dag.task("t") { _ in }
                dag.on(.retry) { _, _ in }
                dag.on(.deadline(.zero), id: "zero") { _, _ in }
                dag.on(.deadline(.hours(1)), of: task, id: "of_task") { _, _ in }
                dag.on(.failure) { _, _ in }
                dag.on(.failure) { _, _ in }
            }
        ]).map(\.description).joined(separator: "\n")
        for words in ["name them (of:)", "above 0", "taskTimeout", "'on_failure' is taken"] {
            #expect(problems.contains(words), "\(words): \(problems)")
        }
    }
}
