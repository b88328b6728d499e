// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

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
            try require(wait.kind == "approval" && word == "fired" ? .user : .operate, for: wait.key.dagID)
            let firing = Firing(waitID: wait.waitID, outcome: try outcome(wait, transaction.now), by: caller.name)
            guard try transaction.fire([firing], lease: nil) == [true] else {
                throw PerchError(.conflict, "the wait \(wait.waitID) has just ended")
            }
            return EndedWait(wait: wait, end: word)
        }
    }

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
                        "What came: an event's payload, an HTTP answer's body, else the coded event; else what fits.",
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
                Schema.Field(name: "by", schema: .span, about: "So much later than it is.", isRequired: false),
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
        }.ofSome,
    ]
}
