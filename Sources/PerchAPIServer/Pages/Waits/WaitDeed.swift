// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// What is to be done with waits by hand, as a form says it.
enum WaitDeed: Sendable {
    case fire(JSONValue?)
    case cancel
    case move(DeadlineMove)

    /// - Throws: `Refusal` (400), or `PerchError` (`invalid`), for a form that does not say it.
    init(_ form: FormFields) throws {
        switch form["do"] {
        case "fire": self = .fire(try form.text("payload").map { try JSONValue(parsing: $0) })
        case "cancel": self = .cancel
        case "extend":
            guard let text = form.text("by") else {
                throw Refusal(.badRequest, "invalid_request", "by how much? A length of time such as 30m")
            }
            let span = try TimeSpan(parsing: text)
            guard span.microseconds > 0 else {
                throw Refusal(.badRequest, "invalid_request", "a deadline is moved by a length of time above zero")
            }
            self = .move(.by(span))
        case "open": self = .move(.away)
        default:
            throw Refusal(.badRequest, "invalid_request", "what is to be done? 'do' is fire, cancel, extend or open")
        }
    }

    /// As a question has it: `Fire 3 waits`.
    func question(_ count: String) -> String {
        switch self {
        case .fire: "Fire \(count)"
        case .cancel: "Cancel \(count)"
        case .move(.away): "Take the deadline of \(count) away"
        case .move(.by(let span)): "Move the deadline of \(count) by \(span)"
        case .move(.to(let instant)): "Move the deadline of \(count) to \(instant)"
        }
    }

    /// What it means for those who wait.
    var meaning: String {
        switch self {
        case .fire: "Each ends as if what it waits for had come, and its task goes on."
        case .cancel: "Each ends, and its task cleans up, and fails."
        case .move: "They go on waiting. The timeout of a task stays: a wait cannot outlast it."
        }
    }

    /// What has been done.
    func words(_ count: Int) -> String {
        let waits = count == 1 ? "1 wait" : "\(count.grouped) waits"
        switch self {
        case .fire: return "\(waits) fired."
        case .cancel: return "\(waits) cancelled."
        case .move(.away): return "The deadline of \(waits) is away."
        case .move: return "The deadline of \(waits) is moved."
        }
    }
}
