// SPDX-License-Identifier: Apache-2.0

import Foundation
import ProgramTestSupport
import Testing

/// The long runs are made by the program, in processes of its own: a trap fails one test, and memory is given back.
@Suite("perch-simulate", .serialized, .timeLimit(.minutes(20)))
struct SimulateProgramTests {
    private let simulate = Program("perch-simulate")

    /// Runs it on a thread that belongs to nobody else.
    private func run(_ arguments: String...) async throws -> Program.Outcome {
        let answer: Result<Program.Outcome, any Error> = await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: Result { try simulate.run(arguments) }) }
        }
        return try answer.get()
    }

    @Test("300 histories of 20 faults break no rule")
    func histories() async throws {
        let outcome = try await run("--histories", "300", "--faults-per-history", "20")
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.errors)")
        #expect(outcome.output.contains("300 histories"))
        print(outcome.lines.suffix(2).joined(separator: "\n"))
    }

    @Test("Every commit boundary of every scenario is crashed in four ways, and all recover")
    func explore() async throws {
        let outcome = try await run("explore")
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.errors)")
        print(outcome.output)
    }

    @Test("A seed is the same history in every process")
    func repeats() async throws {
        let first = try await run("--seed", "40", "--histories", "4", "--jobs", "1", "--fingerprints")
        let second = try await run("--seed", "40", "--histories", "4", "--jobs", "1", "--fingerprints")
        #expect(first.lines.count { $0.contains("fingerprint") } == 4)
        #expect(first.output == second.output)
    }

    @Test("Defects that are put in on purpose are found")
    func sabotages() async throws {
        // Those that few histories show; `ChecksTests` has all of them on transitions worked by hand.
        let outcome = try await run(
            "sabotage", "--histories", "12", "fire-keeps-the-wait", "outcome-overwritten", "slot-not-released",
            "pending-counted-twice", "run-counted-twice", "event-counter-stands", "retry-keeps-the-dispatch",
            "event-taken-twice", "retry-inherits-all", "cancel-keeps-the-wait", "deadline-ignored", "doorbells-only",
            "requeue-keeps-the-dispatch", "synchronous-off", "lying-sync")
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.errors)")
        print(outcome.output)
    }

    @Test("A virtual month of DAGs on cron has every run")
    func month() async throws {
        let outcome = try await run("month", "--dags", "20", "--days", "30")
        #expect(outcome.code == 0, "\(outcome.output)\(outcome.errors)")
        #expect(outcome.output.contains("600 runs created, 600 succeeded"))
    }

    @Test(
        "Wrong arguments are told in a line",
        arguments: [
            (["--faults", "earthquake"], "there is no fault 'earthquake'"),
            (["--histories", "0"], "--histories is a number from 1"),
            (["--jobs", "-1"], "--jobs"),
            (["explore", "nothing"], "there is no scenario 'nothing'"),
            (["sabotage", "nothing"], "there is no sabotage 'nothing'"),
            (["month", "--dags", "0"], "numbers from 1"),
        ])
    func wrongArguments(arguments: [String], words: String) throws {
        let outcome = try simulate.run(arguments)
        #expect(outcome.code == 64)
        #expect(outcome.errors.contains(words), "\(outcome.errors)")
    }
}
