// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchTesting
import Testing

/// The rows of the table of deadlines in the documentation, one test each.
@Suite("Deadlines, row by row")
struct DeadlineTests {
    private func tester(_ build: @escaping (borrowing DAGBuilder) -> Void) throws -> DAGTester {
        try DAGTester(dags: DAG("d") { build($0) }, at: "2026-01-01T00:00:00Z")
    }

    @Test("A sensor that times out has failed, and what comes after it is not run")
    func sensor() async throws {
        let tester = try tester { dag in
            let never = dag.sensor("never", .event("never"), timeout: .hours(1))
            dag.task("after", after: never) { _ in }
        }
        let run = try await tester.trigger("d")
        try await tester.advance(by: .minutes(59))
        #expect(try await tester.state(of: "never", in: run) == .deferred)
        try await tester.finish(atMost: .minutes(2))
        #expect(try await tester.states(of: run) == ["never": .failed, "after": .upstreamFailed])
        #expect(try await tester.task("never", in: run).message?.contains("timed out") == true)
    }

    @Test("A sensor with softFail that times out is skipped at once, whatever its retries")
    func softFail() async throws {
        let tester = try tester { dag in
            let never = dag.sensor("never", .event("never"), timeout: .hours(1), softFail: true, retries: 3)
            dag.task("after", after: never) { _ in }
            dag.task("anyway", after: never, triggerRule: .allDone) { _ in }
        }
        let run = try await tester.trigger("d")
        try await tester.finish(atMost: .minutes(61))
        #expect(
            try await tester.states(of: run) == ["never": .skipped, "after": .skipped, "anyway": .success])
        #expect(try await tester.state(of: run) == .success)
    }

    @Test("A sensor with retries waits again after its delay, each try with the whole timeout")
    func sensorRetries() async throws {
        let tester = try tester { dag in
            dag.sensor("go", .event("go"), timeout: .hours(1), retries: 1, retryDelay: .minutes(10))
        }
        let run = try await tester.trigger("d")
        try await tester.advance(by: .minutes(65))
        #expect(try await tester.state(of: "go", in: run) == .upForRetry)
        try await tester.advance(by: .minutes(60))
        #expect(try await tester.task("go", in: run).tryNumber == 2)
        try await tester.emit("go")
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.state(of: "go", in: run) == .success)
    }

    @Test("A sensor's taskTimeout ends its wait where it comes before the timeout")
    func sensorTaskTimeout() async throws {
        let tester = try tester { dag in
            dag.sensor("never", .event("never"), timeout: .hours(5), taskTimeout: .hours(1))
        }
        let run = try await tester.trigger("d")
        try await tester.finish(atMost: .minutes(61))
        #expect(try await tester.state(of: "never", in: run) == .failed)
    }

    @Test("A wait of a task that times out throws; uncaught, the try has failed and is tried again")
    func uncaught() async throws {
        let tester = try tester { dag in
            dag.task("work", retries: 1, retryDelay: .seconds(1)) { context in
                try await context.wait(for: .event("never"), timeout: .hours(1))
            }
        }
        let run = try await tester.trigger("d")
        try await tester.finish(atMost: .hours(3))
        let task = try await tester.task("work", in: run)
        #expect(task.state == .failed && task.tryNumber == 2)
        #expect(task.message?.contains("never") == true, "\(task.message ?? "")")
    }

    @Test("A wait of a task that times out may be caught, or give another value, and the task goes on")
    func caught() async throws {
        let tester = try tester { dag in
            dag.task("work") { context -> [String] in
                var said: [String] = []
                do {
                    try await context.wait(for: .event("never"), timeout: .hours(1), as: "first")
                } catch let timeout as WaitTimeout {
                    said.append(timeout.target)
                }
                let other = ExternalEvent(
                    eventID: "none", seq: 0, name: "never", receivedAt: Timestamp(microseconds: 0))
                let event = try await context.wait(
                    for: .event("never"), timeout: .hours(1), as: "second", onTimeout: other)
                said.append(event.eventID)
                let nothing = try await context.wait(
                    for: .event("never"), timeout: .hours(1), as: "third", onTimeout: nil)
                said.append("\(nothing == nil)")
                return said
            }
        }
        let run = try await tester.trigger("d")
        try await tester.finish(atMost: .minutes(181))
        #expect(try await tester.output(of: "work", as: [String].self, in: run) == ["never", "none", "true"])
    }

    @Test("A taskTimeout bounds a wait that has a longer timeout or none")
    func taskTimeout() async throws {
        let tester = try tester { dag in
            for (name, timeout) in [("none", nil), ("longer", Duration.hours(9))] {
                dag.task(name, taskTimeout: .hours(1)) { context in
                    try await context.wait(for: .event("never"), timeout: timeout)
                }
            }
        }
        let run = try await tester.trigger("d")
        try await tester.finish(atMost: .minutes(61))
        #expect(try await tester.states(of: run) == ["none": .failed, "longer": .failed])
    }

    @Test("An executionTimeout does not count waits")
    func executionTimeout() async throws {
        let tester = try tester { dag in
            dag.task("work", executionTimeout: .seconds(5)) { context -> Int in
                try await context.sleep(for: .hours(10))
                try await context.sleep(for: .hours(10))
                return 1
            }
        }
        let run = try await tester.trigger("d")
        try await tester.finish(atMost: .hours(21))
        #expect(try await tester.output(of: "work", as: Int.self, in: run) == 1)
    }

    @Test("While a DAG is paused its deadlines run; the code goes on when it is not paused any more")
    func paused() async throws {
        let tester = try tester { dag in
            dag.task("work") { context -> Bool in
                try await context.wait(for: .event("never"), timeout: .hours(1), onTimeout: nil) == nil
            }
            dag.sensor("never", .event("never"), timeout: .hours(1))
        }
        let run = try await tester.trigger("d")
        try await tester.pause("d")
        try await tester.advance(by: .hours(2))
        #expect(try await tester.states(of: run) == ["work": .scheduled, "never": .failed])
        try await tester.unpause("d")
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.output(of: "work", as: Bool.self, in: run))
    }

    @Test("A deadline is an instant: crashes and restarts neither stretch nor shorten it")
    func crashes() async throws {
        let tester = try tester { dag in dag.sensor("never", .event("never"), timeout: .hours(1)) }
        let run = try await tester.trigger("d")
        for _ in 0..<5 {
            try await tester.advance(by: .minutes(10))
            try await tester.crash()
        }
        try await tester.advance(by: .minutes(9))
        #expect(try await tester.state(of: "never", in: run) == .deferred)
        try await tester.finish(atMost: .minutes(2))
        #expect(try await tester.state(of: "never", in: run) == .failed)
    }
}
