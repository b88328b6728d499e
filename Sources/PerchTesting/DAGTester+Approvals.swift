// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
public import PerchSDK
internal import PerchSimulation
internal import PerchTriggersApproval

extension DAGTester {
    /// Answers the approval that a task or sensor waits for, as a person would. A sensor that is rejected fails.
    ///
    /// - Parameters:
    ///   - approve: Whether it is a yes.
    ///   - values: The form's values by field.
    /// - Throws: `PerchError`: `notFound` where the task waits for no approval; `invalid` where a value does not fit the form.
    public func answer(
        _ task: String, in run: TestRun, mapIndex: Int? = nil, approve: Bool, values: [String: JSONValue] = [:],
        note: String? = nil, by: String = "test"
    ) async throws {
        try await perform { world in
            let row = try world.read { try world.instance(of: task, in: run, mapIndex: mapIndex, $0) }
            var filter = WaitFilter()
            filter.dagID = run.dagID
            filter.runID = run.runID
            filter.kind = ApprovalTrigger.kind
            let questions = try world.read { [filter] snapshot in try snapshot.waits(filter) }
            guard let wait = questions.first(where: { $0.taskInstanceID == row.taskInstanceID }) else {
                throw PerchError(.notFound, "the task '\(task)' waits for no approval; it is \(row.state.rawValue)")
            }
            let trigger = try JSONValue(parsingEnvelope: wait.definition ?? "{}").decode(ApprovalTrigger.self)
            _ = try world.write { transaction in
                let answer = try trigger.answer(
                    approve ? .approve : .reject, values: values, by: by, note: note, at: transaction.now)
                let outcome: WaitOutcome
                if wait.isSensor, let rejection = answer.rejection {
                    outcome = .broken(rejection)
                } else {
                    outcome = .event(try JSONValue(encoding: answer))
                }
                return try transaction.fire([Firing(waitID: wait.waitID, outcome: outcome, by: by)], lease: nil)
            }
            try world.settle()
        }
    }
}
