// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchMetastore
import PerchSDK
import PerchTesting
import Synchronization
import Testing

/// What triggers saw, by the name of the test: they are data, and tests run side by side.
private let seen = Mutex<[String: [String]]>([:])

private func note(_ test: String, _ line: String) { seen.withLock { $0[test, default: []].append(line) } }
private func notes(_ test: String) -> [String] { seen.withLock { $0[test] ?? [] } }

/// Looks once a minute, and finds something at the last look.
private struct Patient: AsyncTrigger {
    let test: String
    let looks: Int

    func run(_ context: TriggerContext) async throws -> Int {
        var done = try context.checkpoint(as: Int.self) ?? 0
        note(test, "begins at \(done)")
        while done < looks {
            try await context.sleep(for: .minutes(1))
            done += 1
            try await context.checkpoint(done)
            context.log.info("looked \(done) times")
        }
        return done
    }
}

private struct Fault: Error {}

/// Throws so many times, and then finds something.
private struct Shaky: AsyncTrigger {
    let test: String
    let faults: Int

    func run(_ context: TriggerContext) async throws -> String {
        note(test, "run after \(context.failures) failures at \(context.now)")
        if notes(test).count <= faults { throw Fault() }
        return "found"
    }
}

/// Never finds anything, and says how it ends.
private struct Endless: AsyncTrigger {
    static let name = "never"
    let test: String

    func run(_ context: TriggerContext) async throws -> Int {
        do {
            while true { try await context.sleep(for: .hours(1)) }
        } catch {
            note(test, "\(type(of: error))")
            throw error
        }
    }
}

private struct Homonym: AsyncTrigger {
    static let name = "never"
    func run(_ context: TriggerContext) async throws -> Int { 1 }
}

@Suite("Async triggers on virtual time", .timeLimit(.minutes(2)))
struct AsyncTriggerTests {
    @Test("a sensor sleeps on the engine's clock, and gives its typed event to those who take it as an input")
    func sensor() async throws {
        let dag = DAG("orders", params: ["test": "sensor"]) { dag in
            let looked = dag.sensor("looked", Patient(test: "{{ params.test }}", looks: 90))
            dag.task("use", looked) { _, count in count + 1 }
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("orders")
        try await tester.advance(by: .minutes(89))
        #expect(try await tester.waits().map(\.kind) == ["async:Patient"])
        #expect(try await tester.waits().map(\.target) == ["Patient(looks: 90, test: sensor)"])
        try await tester.finish(atMost: .minutes(2))
        #expect(try await tester.output(of: "use", as: Int.self, in: run) == 91)
        #expect(notes("sensor") == ["begins at 0"])
        let lines = try await tester.log(of: "looked", in: run)
        #expect(lines.contains { $0.message == "looked 90 times" })
        await tester.close()
    }

    @Test("a restart runs it again and forgets no checkpoint, whenever the engine dies")
    func crashes() async throws {
        let dag = DAG("orders") { dag in
            dag.task("wait") { context in try await context.wait(for: Patient(test: "crashes", looks: 60)) }
        }
        let tester = try DAGTester(dags: dag, triggers: [Patient.self])
        let run = try await tester.trigger("orders")
        for number in 1...6 {
            try await tester.crash(at: number % 2 == 0 ? .beforeCommit(number) : .afterCommit(number))
            try await tester.advance(by: .minutes(8))
        }
        try await tester.crash(powerLoss: true)
        try await tester.restart()
        try await tester.finish(atMost: .minutes(30))
        #expect(try await tester.output(of: "wait", as: Int.self, in: run) == 60)
        let begins = notes("crashes").compactMap { Int($0.split(separator: " ").last ?? "") }
        #expect(begins.count >= 6 && begins == begins.sorted() && (begins.last ?? 0) > 30, "\(begins)")
        await tester.close()
    }

    @Test("one that throws runs again after pauses that grow")
    func shaky() async throws {
        let dag = DAG("orders") { dag in dag.sensor("found", Shaky(test: "shaky", faults: 3)) }
        let tester = try DAGTester(dags: dag, at: "2026-01-01T00:00:00Z")
        let run = try await tester.trigger("orders")
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.output(of: "found", as: String.self, in: run) == "found")
        #expect(
            notes("shaky") == [
                "run after 0 failures at 2026-01-01T00:00:00Z", "run after 1 failures at 2026-01-01T00:00:01Z",
                "run after 2 failures at 2026-01-01T00:00:03Z", "run after 3 failures at 2026-01-01T00:00:07Z",
            ])
        await tester.close()
    }

    @Test("one that throws too often fails its wait with what it threw, and restarts do not begin the count anew")
    func hopeless() async throws {
        let dag = DAG("orders") { dag in dag.sensor("found", Shaky(test: "hopeless", faults: 100)) }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("orders")
        try await tester.advance(by: .seconds(2))
        try await tester.crash()
        try await tester.finish(atMost: .minutes(2))
        #expect(try await tester.state(of: "found", in: run) == .failed)
        #expect(notes("hopeless").count == 5)
        let message = try await tester.task("found", in: run).message ?? ""
        #expect(message.contains("the trigger 'Shaky' failed 5 times; the last time: Fault()"), "\(message)")
        await tester.close()
    }

    @Test("the deadline is the triggerer's, and ends the code; so does a cancel")
    func ends() async throws {
        let dag = DAG("orders") { dag in
            dag.sensor("late", Endless(test: "late"), timeout: .minutes(30), softFail: true)
            dag.sensor("cancelled", Endless(test: "cancelled"))
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("orders")
        try await tester.advance(by: .minutes(31))
        #expect(try await tester.state(of: "late", in: run) == .skipped)
        #expect(notes("late") == ["CancellationError"])
        #expect(notes("cancelled").isEmpty)
        try await tester.cancel(run)
        try await tester.finish(atMost: .minutes(1))
        #expect(notes("cancelled") == ["CancellationError"])
        await tester.close()
    }

    @Test("a task that waits for a type that the bundle does not declare fails at the wait, and is told what to write")
    func undeclared() async throws {
        let dag = DAG("orders") { dag in
            dag.task("wait") { context in try await context.wait(for: Patient(test: "undeclared", looks: 1)) }
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("orders")
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.state(of: "wait", in: run) == .failed)
        let message = try await tester.task("wait", in: run).message ?? ""
        #expect(message.contains("the bundle has no trigger 'Patient' (it has none): add its type"), "\(message)")
        await tester.close()
    }

    @Test("two types of one name are refused, and one as a member of a composite")
    func refused() throws {
        let dag = DAG("orders") { dag in dag.sensor("never", Endless(test: "")) }
        let error = #expect(throws: PerchError.self) { try DAGTester(dags: dag, triggers: [Homonym.self]) }
        #expect(error?.message.contains("are both called 'never'") == true)
        let pair = DAG("pair") { dag in dag.sensor("never", Endless(test: "").or(.event("a"))) }
        #expect(pair.problems.contains { $0.description.contains("cannot be a member of a composite") })
    }
}
