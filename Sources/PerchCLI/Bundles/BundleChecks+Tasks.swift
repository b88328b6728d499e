// SPDX-License-Identifier: Apache-2.0

internal import PerchBundle
internal import PerchMetastore
internal import PerchSDK

/// What is tried with a task that may be run: its journal, cancel, and ends while it runs.
extension BundleChecks {
    /// A hand-out as an engine makes it.
    static func order(
        _ dispatchID: Int64, dagID: String, taskID: String, index: Int = -1, params: JSONValue, now: Timestamp,
        journal: [RecordedEntry] = []
    ) -> RunOrder {
        RunOrder(
            dispatchID: dispatchID, taskInstanceID: 1, taskIndex: index,
            facts: AttemptFacts(
                dagID: dagID, runID: "bundles-check", taskID: taskID, logicalDate: now, dataIntervalStart: now,
                dataIntervalEnd: now, params: params),
            journal: journal)
    }

    private func order(_ dispatchID: Int64, journal: [RecordedEntry] = []) throws -> RunOrder {
        guard let task else {
            throw Skipped(words: "no code of a task is run without --task DAG/TASK, which names one for it")
        }
        guard let dag = definitions.first(where: { $0.dagID == task.dagID }) else {
            let known = definitions.map(\.dagID)
            throw PerchError(
                .notFound,
                known.isEmpty
                    ? "--task: the bundle has no DAG '\(task.dagID.shown())', nor any other"
                    : "--task: the bundle has no DAG '\(task.dagID.shown())'; \(NearName.hint(task.dagID, known))")
        }
        guard let index = dag.tasks.firstIndex(where: { $0.taskID == task.taskID }) else {
            throw PerchError(
                .notFound,
                "--task: the DAG '\(dag.dagID)' has no task '\(task.taskID.shown())'; "
                    + NearName.hint(task.taskID, dag.tasks.map(\.taskID)))
        }
        guard case .code = dag.tasks[index].kind else {
            throw PerchError(.invalid, "--task: '\(task.taskID)' of '\(dag.dagID)' is no code; a bundle never runs it")
        }
        return Self.order(
            dispatchID, dagID: dag.dagID, taskID: task.taskID, index: index, params: .object(dag.params),
            now: clock.now, journal: journal)
    }

    /// How a dispatch ended.
    private enum End {
        case outcome(AttemptOutcome)
        case deferred(key: String, TriggerSpec)
    }

    /// Answers what a dispatch asks for until it ends; its steps go into the journal.
    private func follow(
        _ bundle: TriedBundle, _ dispatchID: Int64, _ journal: inout [RecordedEntry]
    ) throws -> End {
        for _ in 0..<10_000 {
            switch try bundle.next("a 'step', 'deferred' or 'result'") {
            case .step(dispatchID, let key, let payload, _, _):
                guard !journal.contains(where: { $0.key == key }) else {
                    throw BundleFault("does the step '\(key.shown())' again, although its journal has it")
                }
                try Self.requireJSON(payload, "the 'payload' of the step '\(key.shown())'")
                journal.append(RecordedEntry(key: key, kind: .step, payload: payload))
                try bundle.send(.recorded(dispatchID: dispatchID, key: key))
            case .lookUp(let question):
                let answer = LookUpAnswer(dispatchID: dispatchID, number: question.number, outcome: .absent)
                try bundle.send(.lookedUp(answer))
            case .deferred(dispatchID, let key, let trigger, _):
                guard !journal.contains(where: { $0.key == key }) else {
                    throw BundleFault("waits again under '\(key.shown())', although its journal has that wait's end")
                }
                return .deferred(key: key, trigger)
            case .result(dispatchID, let outcome):
                if case .success(let output, _) = outcome { try Self.requireJSON(output, "the 'output'") }
                return .outcome(outcome)
            case let other: throw BundleFault("has said \(TriedBundle.words(other)) while dispatch \(dispatchID) ran")
            }
        }
        throw BundleFault("asks for more than 10000 things in one dispatch")
    }

    private static func requireJSON(_ text: String, _ what: String) throws {
        do {
            _ = try JSONValue(parsing: text)
        } catch {
            throw BundleFault("gives as \(what) what is no JSON text: \(text.shown())")
        }
    }

    /// Runs the task to its end; each wait ends at once, and the code goes on in another dispatch, in another process.
    func runTask() throws -> String {
        var journal: [RecordedEntry] = []
        var waits: [String] = []
        for dispatchID in Int64(1)...100 {
            let order = try order(dispatchID, journal: journal)
            let bundle = try greeted()
            try bundle.send(.run(order))
            let end = try follow(bundle, dispatchID, &journal)
            try Self.requireSound(bundle)
            switch end {
            case .deferred(let key, let trigger):
                waits.append("'\(key.shown())' for \(trigger.kind.shown()) \(trigger.target.shown(40))")
                var entry = RecordedEntry(key: key, kind: .wait, payload: trigger.json.text)
                // Of a sleep the event is known; whatever else is waited for did not come in time.
                let event = JSONValue.object(["due_at": .integer(clock.now.microseconds)]).text
                entry.outcome = trigger.kind == "time" ? .event(payload: event) : .timeout
                journal.append(entry)
            case .outcome(let outcome):
                let steps = journal.count { $0.kind == .step }
                let waited = waits.isEmpty ? "" : ", after waits: " + waits.joined(separator: ", ")
                return "\(Self.words(outcome)), with \(Self.count(steps, "step"))\(waited)"
            }
        }
        throw BundleFault("waits more than 100 times")
    }

    private static func words(_ outcome: AttemptOutcome) -> String {
        switch outcome {
        case .success: "it ends as success"
        case .failure(let message, _, _): "it ends as failure (\(message.shown(120)))"
        case .skipped: "it ends as skipped"
        case .cancelled: "it ends as cancelled"
        }
    }

    func cancelTask() throws -> String {
        let bundle = try greeted()
        let notice = CancelNotice(finalState: "failed", reason: "check", by: "check")
        try bundle.send(.run(order(1)), .cancel(dispatchID: 1, notice, isLast: false))
        var journal: [RecordedEntry] = []
        let end = try follow(bundle, 1, &journal)
        try Self.requireSound(bundle)
        switch end {
        case .deferred(let key, _): return "it has waited at '\(key.shown())' before it heard of it, which is allowed"
        case .outcome(let outcome): return Self.words(outcome)
        }
    }

    func drainWhileBusy() throws -> String {
        let bundle = try greeted()
        let notice = CancelNotice(finalState: "failed", reason: "check", by: "check")
        try bundle.send(.run(order(1)), .drain, .cancel(dispatchID: 1, notice, isLast: false))
        var journal: [RecordedEntry] = []
        _ = try follow(bundle, 1, &journal)
        return "it ends its dispatch first; then \(try Self.requireExit(bundle, "its last dispatch, being drained"))"
    }

    func hangUpWhileBusy() throws -> String {
        let bundle = try greeted()
        try bundle.send(.run(order(1)))
        bundle.hangUp()
        return "it \(try bundle.end("its engine was gone"))"
    }
}
