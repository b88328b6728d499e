// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchBundle

@Suite("The replay of a journal")
struct JournalReplayTests {
    private let file = TriggerSpec(kind: "file", target: "/data/a.csv")

    private func step(_ key: String, _ payload: String = "1") -> RecordedEntry {
        RecordedEntry(key: key, kind: .step, payload: payload)
    }

    private func wait(_ key: String, _ outcome: RecordedEntry.Outcome?, target: String = "/data/a.csv") -> RecordedEntry
    {
        RecordedEntry(
            key: key, kind: .wait, payload: #"{"definition":{},"kind":"file","target":"\#(target)"}"#, outcome: outcome)
    }

    @Test("a new step is performed, a recorded one answered")
    func steps() throws {
        var replay = JournalReplay(journal: [step("a#0", "7")])
        #expect(try replay.beginStep("a", scope: []) == .recorded("7"))
        #expect(try replay.beginStep("a", scope: []) == .perform(key: "a#1"))
        replay.stepRecorded("a#1")
        #expect(try replay.beginStep("a", scope: ["x", "y"]) == .perform(key: "x/y/a#0"))
    }

    @Test("a step that failed gives its place back")
    func failedStep() throws {
        var replay = JournalReplay()
        #expect(try replay.beginStep("a", scope: []) == .perform(key: "a#0"))
        replay.stepFailed("a#0")
        #expect(try replay.beginStep("a", scope: []) == .perform(key: "a#0"))
    }

    @Test("two steps of one name in flight in one scope are ambiguous, in two scopes they are not")
    func ambiguous() throws {
        var replay = JournalReplay()
        #expect(try replay.beginStep("a", scope: []) == .perform(key: "a#0"))
        #expect(throws: AmbiguousStep(name: "a")) { try replay.beginStep("a", scope: []) }
        #expect(try replay.beginStep("a", scope: ["1"]) == .perform(key: "1/a#0"))
    }

    @Test("a wait beside a step in flight is refused, naming both")
    func concurrent() throws {
        var replay = JournalReplay()
        _ = try replay.beginStep("a", scope: [])
        #expect(throws: ConcurrentWait(wait: "w#0", inFlight: "a#0")) {
            try replay.beginWait("w", scope: [], for: file, timeout: nil)
        }
    }

    @Test("a new wait suspends, and every later call suspends again")
    func suspend() throws {
        var replay = JournalReplay()
        #expect(try replay.beginWait("w", scope: [], for: file, timeout: .seconds(1)) == .suspend(key: "w#0"))
        #expect(throws: Suspension(key: "w#0")) { try replay.beginStep("a", scope: []) }
        #expect(throws: Suspension(key: "w#0")) { try replay.beginWait("v", scope: [], for: file, timeout: nil) }
        let end = replay.end(.failure(Suspension(key: "w#0")))
        #expect(end == .deferred(.init(key: "w#0", trigger: file, timeout: .seconds(1))))
    }

    @Test("a suspension that is swallowed fails the attempt")
    func swallowed() throws {
        for result: Result<TaskOutput, any Error> in [
            .success(TaskOutput(json: "1")), .failure(PerchError(.invalid, "other")), .failure(CancellationError()),
        ] {
            var replay = JournalReplay()
            _ = try replay.beginWait("w", scope: [], for: file, timeout: nil)
            guard case .outcome(.failure(let message, let retryable, _)) = replay.end(result) else {
                Issue.record("not a failure")
                continue
            }
            #expect(message.contains("caught its Suspension"))
            #expect(!retryable)
        }
    }

    @Test("a wait answers with its outcome")
    func outcomes() throws {
        let notice = CancelNotice(finalState: "failed", reason: "user", by: "me")
        let table: [(RecordedEntry.Outcome, JournalReplay.WaitDecision)] = [
            (.event(payload: "{}"), .event(payload: "{}")), (.timeout, .timeout),
            (.cancelled(notice), .cancelled(notice)),
            (.broken(message: "no"), .broken(message: "no")),
        ]
        for (outcome, decision) in table {
            var replay = JournalReplay(journal: [wait("w#0", outcome)])
            #expect(try replay.beginWait("w", scope: [], for: file, timeout: nil) == decision)
        }
    }

    @Test("another kind, another target, a step in place of a wait: both sides are named")
    func mismatches() throws {
        var replay = JournalReplay(journal: [wait("w#0", .timeout), step("s#0"), wait("x#0", .timeout)])
        #expect(throws: JournalMismatch.self) { try replay.beginStep("w", scope: []) }
        #expect(throws: JournalMismatch.self) { try replay.beginWait("s", scope: [], for: file, timeout: nil) }
        #expect {
            try replay.beginWait("x", scope: [], for: TriggerSpec(kind: "file", target: "/b"), timeout: nil)
        } throws: { error in
            "\(error)".contains("/data/a.csv") && "\(error)".contains("/b") && "\(error)".contains("x#0")
        }
    }

    @Test("what the journal holds and the code did not ask for is a mismatch at the end")
    func leftOver() throws {
        var replay = JournalReplay(journal: [step("a#0"), step("b#0")])
        _ = try replay.beginStep("a", scope: [])
        guard case .outcome(.failure(let message, true, _)) = replay.end(.success(TaskOutput(json: "1"))) else {
            Issue.record("not a failure that may be retried")
            return
        }
        #expect(message.contains("b#0"))
        let failed = replay.end(.failure(NonRetryable("x")))
        #expect(failed == .outcome(.failure(message: "x", retryable: false)))
    }

    @Test("a step that a retry inherited need not be asked for again")
    func kept() throws {
        var inherited = step("a#0")
        inherited.isKept = true
        let replay = JournalReplay(journal: [inherited])
        #expect(
            replay.end(.success(TaskOutput(json: "1"))) == .outcome(.success(output: "1", items: nil)))
    }

    @Test(
        "while the task is being cancelled the journal answers, new waits are cancelled, and the end is the intended one"
    )
    func cancelling() throws {
        let notice = CancelNotice(finalState: "failed", reason: "user", by: "me")
        var replay = JournalReplay(journal: [step("a#0", "5"), wait("w#0", .cancelled(notice))], cancel: notice)
        #expect(try replay.beginStep("a", scope: []) == .recorded("5"))
        #expect(try replay.beginWait("w", scope: [], for: file, timeout: nil) == .cancelled(notice))
        #expect(try replay.beginWait("w", scope: [], for: file, timeout: nil) == .cancelled(notice))
        #expect(replay.end(.success(TaskOutput(json: "1"))) == .outcome(.cancelled))
    }

    @Test("errors of the code become outcomes")
    func errors() {
        let table: [(any Error, AttemptOutcome)] = [
            (SkipTask("why"), .skipped(message: "why")), (NonRetryable("x"), .failure(message: "x", retryable: false)),
            (PerchError(.invalid, "y"), .failure(message: "y", retryable: true)),
        ]
        for (error, outcome) in table { #expect(JournalReplay().end(.failure(error)) == .outcome(outcome)) }
    }
}
