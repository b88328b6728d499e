// SPDX-License-Identifier: Apache-2.0

package import PerchMetastore
import PerchSDK
package import PerchTriggersApproval

/// A question to a person that has not been answered.
package struct OpenApproval: Sendable {
    package let wait: WaitRow
    package let trigger: ApprovalTrigger
    /// What shows the questions that are open, for messages.
    private let place: String

    /// - Parameter place: What shows the questions that are open, for messages.
    /// - Throws: `PerchError`: `conflict` for a wait that is over, `notFound` for one that never was, `invalid` for one that is no
    ///   question.
    package init(_ waitID: Int64, _ snapshot: Snapshot, shownBy place: String) throws {
        guard let wait = try snapshot.wait(waitID) else {
            throw try snapshot.wasRegistered(waitID) ? Self.over(waitID, place) : Self.unknown(waitID, place)
        }
        guard wait.kind == ApprovalTrigger.kind else {
            throw PerchError(.invalid, "wait \(waitID) is for \(wait.kind) \(wait.target.shown()), not for an approval")
        }
        self.wait = wait
        self.place = place
        trigger = try JSONValue(parsingEnvelope: wait.definition ?? "{}").decode(ApprovalTrigger.self)
    }

    private static func over(_ waitID: Int64, _ place: String) -> PerchError {
        PerchError(
            .conflict,
            "wait \(waitID) is over: it was answered already, has timed out or was cancelled; \(place) shows what is open"
        )
    }

    private static func unknown(_ waitID: Int64, _ place: String) -> PerchError {
        PerchError(.notFound, "there never was a wait \(waitID); \(place) shows what is open")
    }

    /// Ends the wait by an answer. The first one counts. A no fails a sensor, for nothing after it would look at the answer.
    /// - Throws: `PerchError` (`conflict`) where it was over before.
    package func end(by answer: ApprovalAnswer, in transaction: Transaction) throws {
        let outcome: WaitOutcome
        if wait.isSensor, let rejection = answer.rejection {
            outcome = .broken(rejection)
        } else {
            outcome = .event(try JSONValue(encoding: answer))
        }
        guard try transaction.fire([Firing(waitID: wait.waitID, outcome: outcome, by: answer.by)], lease: nil) == [true]
        else { throw Self.over(wait.waitID, place) }
    }
}
