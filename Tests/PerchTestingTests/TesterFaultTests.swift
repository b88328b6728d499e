// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchTesting
import Synchronization
import Testing

@Suite("A tester kills engines, and waits for code that really suspends")
struct TesterFaultTests {
    private final class Count: Sendable {
        private let value = Mutex(0)
        var now: Int { value.withLock { $0 } }
        func add() { value.withLock { $0 += 1 } }
    }

    private static func dag(_ effects: Count) -> DAG {
        DAG("steps") { dag in
            dag.task("work", retries: 3, retryDelay: .seconds(1)) { context -> Int in
                let first = try await context.step("effect") {
                    effects.add()
                    return 1
                }
                try await context.sleep(for: .hours(1))
                return first + 1
            }
        }
    }

    @Test("wherever the engine dies, a step has its effect at least once and its record once", arguments: 1...6)
    func crashes(commit: Int) async throws {
        for powerLoss in [false, true] {
            for isBefore in [false, true] {
                let effects = Count()
                let tester = try DAGTester(dags: Self.dag(effects))
                try await tester.settle()
                try await tester.crash(
                    at: isBefore ? .beforeCommit(commit) : .afterCommit(commit), powerLoss: powerLoss)
                let run = try await tester.trigger("steps", runID: "one")
                try await tester.finish(atMost: .hours(2))
                #expect(try await tester.crashes == 1)
                #expect(try await tester.state(of: run) == .success)
                #expect(try await tester.output(of: "work", as: Int.self, in: run) == 2)
                let journal = try await tester.journal(of: "work", in: run)
                #expect(journal.filter { $0.record == .step(1) }.count == 1)
                #expect((1...2).contains(effects.now), "\(effects.now) effects")
            }
        }
    }

    @Test("a wait outlives crashes and restarts")
    func restart() async throws {
        let effects = Count()
        let tester = try DAGTester(dags: Self.dag(effects))
        let run = try await tester.trigger("steps")
        try await tester.advance(by: .minutes(10))
        try await tester.restart()
        try await tester.advance(by: .minutes(10))
        try await tester.crash()
        try await tester.advance(by: .minutes(10))
        try await tester.crash(powerLoss: true)
        try await tester.settle()
        #expect(try await tester.state(of: "work", in: run) == .deferred)
        try await tester.finish(atMost: .hours(1))
        #expect(try await tester.state(of: run) == .success)
        #expect(effects.now == 1)
        #expect(try await tester.crashes == 2)
        #expect(try await tester.now == Timestamp(parsing: "2026-01-01T01:00:00Z"))
    }

    @Test("time stands while code really sleeps")
    func reallySleeps() async throws {
        let dag = DAG("sleeper") { dag in
            dag.task("nap") { context -> Int in
                try await Task.sleep(for: .milliseconds(20))
                return await Task.detached { 5 }.value
            }
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("sleeper")
        #expect(try await tester.output(of: "nap", as: Int.self, in: run) == 5)
        #expect(try await tester.now == Timestamp(parsing: "2026-01-01"))
    }

    @Test("code that does not come back is named")
    func neverReturns() async throws {
        let dag = DAG("stuck") { dag in
            dag.task("forever") { _ in try await Task.sleep(for: .seconds(3_600)) }
        }
        let tester = try DAGTester(dags: dag, codeLimit: .milliseconds(200))
        let error = await #expect(throws: PerchError.self) { try await tester.trigger("stuck", runID: "one") }
        #expect(error?.message.contains("the code of 'forever' (stuck/one, try 1) does not come back") == true)
        await tester.close()
    }

    @Test("testers in parallel do not know of each other")
    func parallel() async throws {
        let outputs = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 1...4 {
                group.addTask {
                    let dag = DAG("same") { dag in
                        dag.task("one") { context -> Int in
                            try await context.sleep(for: .days(number))
                            await Task.yield()
                            return number
                        }
                    }
                    let tester = try DAGTester(dags: dag)
                    let run = try await tester.trigger("same", runID: "one")
                    try await tester.finish(atMost: .days(5))
                    return try await tester.output(of: "one", as: Int.self, in: run)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }.sorted()
        }
        #expect(outputs == [1, 2, 3, 4])
    }
}
