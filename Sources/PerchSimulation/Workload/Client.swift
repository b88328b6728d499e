// SPDX-License-Identifier: Apache-2.0

package import PerchMetastore
internal import PerchSDK
package import PerchTriggerer

/// Does to a metastore what a plan says, as a command does it, and notes what was asked for and what was answered.
package struct Client: Sendable {
    let metastore: Metastore
    let acknowledged: Acknowledged
    let name: String
    /// The triggerer that takes its events in; nil: it stores them by itself.
    let intake: Triggerer?

    /// A client of a metastore.
    package init(
        _ metastore: Metastore, acknowledged: Acknowledged, name: String = "anna", intake: Triggerer? = nil
    ) {
        self.intake = intake
        self.metastore = metastore
        self.acknowledged = acknowledged
        self.name = name
    }

    /// Does one operation; what is done to the world outside is somebody else's.
    ///
    /// Only what was refused is known not to have happened: an error of the metastore itself leaves the request without
    /// an answer.
    package func perform(_ operation: Operation) async {
        let number = acknowledged.ask(operation, at: metastore.clock.now)
        do {
            if let answer = try await answer(to: operation) { acknowledged.answer(number, answer) }
        } catch let error as PerchError where [.notFound, .conflict, .invalid].contains(error.code) {
            acknowledged.answer(number, .refused(error.message))
        } catch {
            // Nobody knows whether it was done: what a client sees whose engine died.
            return
        }
    }

    private func answer(to operation: Operation) async throws -> Acknowledged.Answer? {
        let name = name
        switch operation {
        case .writeFile, .renameFile, .removeFile, .setAnswer: return nil
        case .trigger(let dagID, let runID):
            return .run(
                key: try await metastore.write { try $0.createRun(RunRequest(dagID: dagID, runID: runID)).runKey })
        case .emit(let event, let key, let eventID, let value):
            let event = NewEvent(name: event, key: key, payload: .integer(Int64(value)), eventID: eventID)
            if let intake { return .event(try await intake.store([event])[0]) }
            return .event(try await metastore.write { try $0.emit([event])[0] })
        case .cancelRun(let dagID, let runID):
            let isDone = try await metastore.write { try $0.cancelRun(dagID: dagID, runID: runID, by: name) }
            return isDone ? .done : .refused("it has ended")
        case .cancelTask(let dagID, let runID, let taskID, let mapIndex, let state):
            let key = TaskInstanceKey(dagID: dagID, runID: runID, taskID: taskID, mapIndex: mapIndex)
            return try await metastore.write { transaction in
                let row = try transaction.taskInstance(key)
                let intent = CancelIntent(finalState: state, reason: "user", by: name)
                guard try transaction.cancelTask(key, intent: intent), let row else {
                    return .refused("it has ended")
                }
                return .instances([
                    .init(key: key, taskInstanceID: row.taskInstanceID, tryNumber: row.tryNumber)
                ])
            }
        case .cancelWait(let dagID, let place):
            let intent = CancelIntent(finalState: .failed, reason: "user", by: name)
            return try await endWait(dagID, place) { _, _ in .cancelled(intent) }
        case .fireWait(let dagID, let place):
            return try await endWait(dagID, place) { wait, now in
                .event(SimulatedWait.handMadePayload(kind: wait.kind, target: wait.target, at: now))
            }
        case .clear(let dagID, let runID, let taskID, let mapIndex, let downstream, let onlyFailed):
            return try await metastore.write { transaction in
                guard let run = try transaction.run(dagID: dagID, runID: runID) else {
                    return .refused("there is no such run")
                }
                let before = try transaction.taskInstances(runKey: run.runKey)
                let keys = try transaction.clear(
                    dagID: dagID, runID: runID, taskID: taskID, mapIndex: mapIndex, downstream: downstream,
                    onlyFailed: onlyFailed, by: name)
                return .instances(
                    keys.compactMap { key in
                        before.first { $0.key == key }.map {
                            .init(key: key, taskInstanceID: $0.taskInstanceID, tryNumber: $0.tryNumber)
                        }
                    })
            }
        case .pause(let dagID, let isPaused):
            try await metastore.write { try $0.setPaused(dagID, isPaused) }
            return .done
        case .resizePool(let pool, let slots):
            try await metastore.write { try $0.setPool(pool, slots: slots) }
            return .done
        case .clean(let age):
            let limit = metastore.clock.now + TimeSpan(microseconds: -age.microseconds)
            while try await metastore.write({ try $0.clean(runsBefore: limit, eventsBefore: limit, limit: 50) }) {}
            return .done
        }
    }

    private func endWait(
        _ dagID: String, _ place: Int, outcome: @escaping @Sendable (WaitRow, Timestamp) -> WaitOutcome
    ) async throws -> Acknowledged.Answer {
        let name = name
        return try await metastore.write { transaction in
            var filter = WaitFilter()
            filter.dagID = dagID
            let waits = try transaction.waits(filter)
            guard !waits.isEmpty else { return .refused("nothing waits") }
            let wait = waits[place % waits.count]
            let outcome = outcome(wait, transaction.now)
            let firing = Firing(waitID: wait.waitID, outcome: outcome, by: name)
            guard try transaction.fire([firing], lease: nil) == [true] else { return .refused("it has just ended") }
            return .wait(
                id: wait.waitID, taskInstanceID: wait.taskInstanceID, tryNumber: wait.tryNumber, key: wait.journalKey,
                outcome: outcome.json.text)
        }
    }
}
