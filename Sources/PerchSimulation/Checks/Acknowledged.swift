// SPDX-License-Identifier: Apache-2.0

package import PerchMetastore
package import PerchSDK

/// What the metastore has told clients and code that it did: all of it must be there after every crash, unless a later
/// operation took it back.
///
/// An operation is noted before it is asked for too, for one that was never answered may have been done.
package final class Acknowledged: @unchecked Sendable {  // because a simulation runs on one thread
    /// Something that was asked for, in order; answered or not.
    package struct Request: Sendable {
        package var operation: Operation
        /// The instant by the metastore's clock.
        package var at: Timestamp
        package var answer: Answer?
        /// Places in the order of all questions and answers.
        var askedAt: Int
        var answeredAt: Int?
    }

    /// What was answered.
    package enum Answer: Sendable, Hashable {
        case refused(String)
        case done
        case event(AcceptedEvent)
        case run(key: Int64)
        /// The instances that were cleared or cancelled, with their tries at that moment.
        case instances([Instance])
        case wait(id: Int64, taskInstanceID: Int64, tryNumber: Int, key: String, outcome: String)
    }

    package struct Instance: Sendable, Hashable {
        package var key: TaskInstanceKey
        package var taskInstanceID: Int64
        package var tryNumber: Int
    }

    package private(set) var requests: [Request] = []
    /// What task code was told is recorded.
    private let ledger: Ledger
    private var moments = 0

    /// Nothing was acknowledged.
    package init(ledger: Ledger) { self.ledger = ledger }

    /// To be called before an operation is asked for. Gives its number.
    package func ask(_ operation: Operation, at instant: Timestamp) -> Int {
        moments += 1
        requests.append(Request(operation: operation, at: instant, askedAt: moments))
        return requests.count - 1
    }

    /// To be called when the client has the answer.
    package func answer(_ number: Int, _ answer: Answer) {
        moments += 1
        requests[number].answer = answer
        requests[number].answeredAt = moments
    }

    /// The operations that were asked for and not refused: they may have been done.
    package var possible: [Operation] {
        requests.compactMap { if case .refused = $0.answer { nil } else { $0.operation } }
    }

    /// Whether something that was not over before a request may have changed what it did.
    private func isSuperseded(_ number: Int, by matches: (Operation) -> Bool) -> Bool {
        let askedAt = requests[number].askedAt
        return requests.enumerated().contains { other, request in
            if case .refused = request.answer { return false }
            if other == number || request.answeredAt ?? .max < askedAt { return false }
            return matches(request.operation)
        }
    }

    /// Whether rows of an instant may have been cleaned away.
    private func mayBeCleaned(_ instant: Timestamp) -> Bool {
        requests.contains { request in
            guard case .clean(let age) = request.operation else { return false }
            // With room for what was asked for early and done late.
            return request.at.microseconds - age.microseconds >= instant.microseconds - 30_000_000
        }
    }

    private var hasCleaned: Bool {
        requests.contains { if case .clean = $0.operation { true } else { false } }
    }

    /// What was acknowledged and is not there. To be asked after a recovery, and at the end.
    package func verify(on connection: any SQLConnection) throws -> [Violation] {
        var found: [Violation] = []
        func lose(_ what: String) {
            found.append(Violation("acknowledged", "\(what) was acknowledged, and is not there"))
        }
        for (number, request) in requests.enumerated() {
            guard let answer = request.answer else { continue }
            switch (request.operation, answer) {
            case (.emit(let name, _, _, _), .event(let event)):
                // Of one that came again, nobody knows how old the first one is.
                if event.isDuplicate ? hasCleaned : mayBeCleaned(request.at) { continue }
                let seq = try cell(
                    on: connection, "SELECT seq FROM event WHERE name = :1 AND event_id = :2",
                    [.text(name), .text(event.eventID)])
                if seq != event.seq { lose("the event \(name) \(event.eventID), seq \(event.seq),") }
            case (.trigger(let dagID, let runID), .run(let key)):
                if hasCleaned { continue }
                if try runKey(on: connection, dagID, runID) != key { lose("the run \(dagID)/\(runID)") }
            case (.cancelRun(let dagID, let runID), .done):
                if hasCleaned || isSuperseded(number, by: { $0.clears(dagID, runID) }) { continue }
                let cancelled = try cell(
                    on: connection,
                    "SELECT 1 FROM dag_run WHERE dag_id = :1 AND run_id = :2 AND cancelled_by IS NOT NULL",
                    [.text(dagID), .text(runID)])
                if cancelled == nil { lose("the cancel of the run \(dagID)/\(runID)") }
            case (.cancelTask(let dagID, let runID, _, _, _), .instances(let instances)):
                if hasCleaned || isSuperseded(number, by: { $0.clears(dagID, runID) }) { continue }
                for instance in instances where try !isCancelled(on: connection, instance) {
                    lose("the cancel of \(dagID)/\(runID)/\(instance.key.taskID)")
                }
            case (.clear(let dagID, let runID, _, _, _, _), .instances(let instances)):
                // A cancel that comes while the cleared task is still being stopped takes the place of the clear.
                if hasCleaned || isSuperseded(number, by: { $0.cancels(dagID, runID) }) { continue }
                for instance in instances where try !isCleared(on: connection, instance) {
                    lose("the clear of \(dagID)/\(runID)/\(instance.key.taskID) try \(instance.tryNumber)")
                }
            case (_, .wait(let id, let taskInstanceID, let tryNumber, let key, let outcome)):
                let isThere = try cell(
                    on: connection, "SELECT 1 FROM wait WHERE wait_id = :1", [.integer(id)])
                if isThere != nil { lose("the end of the wait \(id)") }
                var journalled: String?
                try connection.query(
                    "SELECT outcome FROM journal WHERE ti_id = :1 AND try_number = :2 AND key = :3",
                    [.integer(taskInstanceID), .integer(Int64(tryNumber)), .text(key)]
                ) { journalled = $0.optionalText(0) ?? "nothing" }
                // Without an entry its instance was cleaned or unmapped.
                if let journalled, journalled != outcome { lose("the outcome of the wait \(id)") }
            case (.pause(let dagID, let isPaused), .done):
                if isSuperseded(number, by: { if case .pause(dagID, _) = $0 { true } else { false } }) { continue }
                let stored = try cell(
                    on: connection, "SELECT is_paused FROM dag WHERE dag_id = :1", [.text(dagID)])
                if stored != (isPaused ? 1 : 0) { lose("\(isPaused ? "the pause" : "the unpause") of \(dagID)") }
            case (.resizePool(let name, let slots), .done):
                if isSuperseded(number, by: { if case .resizePool(name, _) = $0 { true } else { false } }) { continue }
                let stored = try cell(on: connection, "SELECT slots FROM pool WHERE name = :1", [.text(name)])
                if stored != Int64(slots) { lose("the size of the pool \(name)") }
            default: continue
            }
        }
        return found + (try lostSteps(on: connection))
    }

    /// Steps whose results the code has seen.
    private func lostSteps(on connection: any SQLConnection) throws -> [Violation] {
        guard !hasCleaned else { return [] }
        var found: [Violation] = []
        let names = try InstanceNames(on: connection)
        for place in ledger.stepOrder {
            guard let value = ledger.steps[place], let id = names.id(of: place.attempt) else { continue }
            var payload: String?
            try connection.query(
                "SELECT payload FROM journal WHERE ti_id = :1 AND try_number = :2 AND key = :3",
                [.integer(id), .integer(Int64(place.attempt.tryNumber)), .text(place.key)]
            ) { payload = $0.text(0) }
            // With a mapping that was cleared away its instances go, and new ones come by the same names.
            let attempt = place.attempt
            if payload == nil, attempt.mapIndex >= 0,
                possible.contains(where: { $0.clears(attempt.dagID, attempt.runID) })
            {
                continue
            }
            if payload != "\(value)" {
                found.append(
                    Violation(
                        "acknowledged",
                        "\(place.attempt): the step '\(place.key)' was recorded as \(value), and is \(payload ?? "gone")"
                    ))
            }
        }
        return found
    }

    private func cell(
        on connection: any SQLConnection, _ sql: StaticString, _ values: [SQLValue]
    ) throws -> Int64? {
        var found: Int64?
        try connection.query(sql, values) { found = $0.optionalInt64(0) }
        return found
    }

    private func runKey(on connection: any SQLConnection, _ dagID: String, _ runID: String) throws -> Int64? {
        try cell(
            on: connection, "SELECT run_key FROM dag_run WHERE dag_id = :1 AND run_id = :2",
            [.text(dagID), .text(runID)])
    }

    /// Ended, or about to.
    private func isCancelled(on connection: any SQLConnection, _ instance: Instance) throws -> Bool {
        try cell(
            on: connection,
            """
            SELECT NOT EXISTS (SELECT 1 FROM task_instance WHERE ti_id = :1 AND cancel_state IS NULL
                AND state IN ('none', 'scheduled', 'queued', 'running', 'deferred', 'up_for_retry'))
            """, [.integer(instance.taskInstanceID)]) == 1
    }

    /// Begun anew, or about to be.
    private func isCleared(on connection: any SQLConnection, _ instance: Instance) throws -> Bool {
        try cell(
            on: connection,
            """
            SELECT NOT EXISTS (SELECT 1 FROM task_instance WHERE ti_id = :1 AND first_try <= :2 AND cancel_state IS NULL)
            """, [.integer(instance.taskInstanceID), .integer(Int64(instance.tryNumber))]) == 1
    }
}

extension Operation {
    func cancels(_ dag: String, _ run: String) -> Bool {
        switch self {
        case .cancelRun(dag, run), .cancelTask(dag, run, _, _, _), .cancelWait(dag, _): true
        default: false
        }
    }

    func clears(_ dag: String, _ run: String) -> Bool {
        if case .clear(dag, run, _, _, _, _) = self { true } else { false }
    }
}
