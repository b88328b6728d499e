// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK
import PerchTriggersApproval

/// A wait that was ended by hand.
private struct EndedWait: Sendable {
    var wait: WaitRow
    var end: String

    static let resource = Resource<EndedWait>(
        "EndedWait",
        [
            .integer("wait_id", "Its id.") { $0.wait.waitID },
            .text("dag_id", "The DAG's id.") { $0.wait.key.dagID },
            .text("dag_run_id", "The run's id.") { $0.wait.key.runID },
            .text("task_id", "The task's id.") { $0.wait.key.taskID },
            .integer("map_index", "Which instance of a mapped task waited.") { Int64($0.wait.key.mapIndex) },
            .choice("ended_as", ["fired", "cancelled"], "How it ended.") { $0.end },
        ])
}

extension RESTCall {
    /// Ends a wait, unless somebody else was first.
    fileprivate func end(
        _ word: String, as outcome: @escaping @Sendable (WaitRow, Timestamp) throws -> WaitOutcome
    ) async throws -> EndedWait {
        try await write { transaction in
            let wait = try transaction.knownWait(of: self)
            // To answer an approval is not to make believe that something has come.
            let isAnswer = wait.kind == ApprovalTrigger.kind && word == "fired"
            try require(isAnswer ? .user : .operate, for: wait.key.dagID)
            if isAnswer {
                try answer(wait, in: transaction)
                return EndedWait(wait: wait, end: word)
            }
            let firing = Firing(waitID: wait.waitID, outcome: try outcome(wait, transaction.now), by: caller.name)
            guard try transaction.fire([firing], lease: nil) == [true] else {
                throw PerchError(.conflict, "the wait \(wait.waitID) has just ended")
            }
            return EndedWait(wait: wait, end: word)
        }
    }

    /// Answers an approval with the payload, held against the form before anything is stored.
    private func answer(_ wait: WaitRow, in transaction: Transaction) throws {
        let approval = try OpenApproval(wait.waitID, transaction, shownBy: "GET deferred?kind=approval")
        let payload = body["payload"] ?? .object([:])
        if let fault = Self.answerSchema.fault(in: payload, at: "/payload") {
            throw Refusal.field(fault.pointer, fault.message)
        }
        let decision: ApprovalAnswer.Decision = payload.text("decision") == "approve" ? .approve : .reject
        let answer: ApprovalAnswer
        do throws(PerchError) {
            answer = try approval.trigger.answer(
                decision, values: payload.object("values") ?? [:], by: caller.name, note: payload.text("note"),
                at: transaction.now)
        } catch {
            throw Refusal.field("/payload/values", error.message)
        }
        try approval.end(by: answer, in: transaction)
    }

    private static let answerSchema = Schema.object([
        Schema.Field(name: "decision", schema: .choice(["approve", "reject"]), about: "The answer."),
        Schema.Field(name: "values", schema: .map, about: "The form's values by field.", isRequired: false),
        Schema.Field(name: "note", schema: .text, about: "What else there is to say.", isRequired: false),
    ])

    /// Where a deadline is to go.
    fileprivate func deadlineMove() throws -> DeadlineMove {
        switch (body.text("by"), try body.instant("until"), body.flag("no_deadline") ?? false) {
        case (let by?, nil, false):
            let span = try TimeSpan(parsing: by)
            guard span.microseconds > 0 else { throw Refusal.field("/by", "'by' is a length of time such as 30m") }
            return .by(span)
        case (nil, let until?, false): return .to(until)
        case (nil, nil, true): return .away
        default: throw Refusal.field("", "say one of 'by', 'until', and 'no_deadline': true")
        }
    }
}

extension Endpoint {
    static let steeredWaits: [Endpoint] = [
        .change(
            .post, "deferred/{wait_id}/fire", .user,
            "Ends a wait as if what it waits for had come. All but approvals are for the role 'operator'.",
            of: EndedWait.resource,
            body: [
                Schema.Field(
                    name: "payload", schema: .any,
                    about:
                        "What came: an event's payload, an HTTP answer's body, an approval's decision (approve, reject), values and note, else the coded event; else what fits.",
                    isRequired: false)
            ]
        ) { call in
            let (make, payload) = (call.surroundings.handMadeEvent, call.body["payload"])
            return try await call.end("fired") { wait, now in
                do {
                    return .event(try make(wait, payload, now))
                } catch let error as PerchError where error.code == .invalid {
                    throw Refusal.field("/payload", error.message)
                }
            }
        }.ofSome,
        .change(
            .post, "deferred/{wait_id}/cancel", .operate,
            "Ends a wait and fails its task, after the task's clean-up if it has any.", of: EndedWait.resource, body: []
        ) { call in
            let intent = CancelIntent(finalState: .failed, reason: "user", by: call.caller.name)
            return try await call.end("cancelled") { _, _ in .cancelled(intent) }
        }.ofSome,
        .change(
            .post, "deferred/{wait_id}/extend", .operate, "Moves the deadline of a wait; that of its task stays.",
            of: WaitView.resource,
            body: [
                Schema.Field(name: "by", schema: .positiveSpan, about: "So much later than it is.", isRequired: false),
                Schema.Field(name: "until", schema: .instant, about: "To this instant.", isRequired: false),
                Schema.Field(
                    name: "no_deadline", schema: .flag, about: "Away: it waits without end.", isRequired: false),
            ]
        ) { call in
            let move = try call.deadlineMove()
            return try await call.write { transaction in
                let wait = try transaction.knownWait(of: call)
                try call.require(.operate, for: wait.key.dagID)
                _ = try transaction.moveDeadline(of: wait.waitID, move)
                var book = try WaitBook(transaction)
                return try book.view(transaction.knownWait(of: call), transaction)
            }
        }.ofSome.ruled([
            "oneOf": [
                ["required": ["by"]], ["required": ["until"]],
                ["required": ["no_deadline"], "properties": ["no_deadline": ["const": true]]],
            ]
        ]),
    ]
}
