// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// What is done with waits by hand: of one, or of many that were chosen.
struct WaitActions {
    private static let mostChosen = 200

    /// The fields of a form that has waits in it.
    static let fields: HTML = """
        <p><button name="do" value="fire">Fire</button> as if what is waited for had come, with the payload \
        <label><span class="vh">Payload</span><textarea name="payload" rows="2" placeholder="JSON, or nothing"></textarea></label></p>\
        <p><button name="do" value="extend">Move the deadline</button> by <label><span class="vh">How much later</span>\
        <input type="text" name="by" placeholder="1h30m"></label> later \
        <button name="do" value="open">Take the deadline away</button></p>\
        <p><button name="do" value="cancel" class="risk">Cancel</button> the wait: its task cleans up, and fails</p>
        """

    private let call: PageCall

    init(_ call: PageCall) { self.call = call }

    func perform() async throws -> PageReply {
        let ids = call.form.all("wait").compactMap { Int64($0) }
        guard (1...Self.mostChosen).contains(ids.count) else {
            throw Refusal(
                .badRequest, "invalid_request",
                ids.isEmpty ? "no wait is chosen" : "at most \(Self.mostChosen) waits can be chosen at once")
        }
        let done = try await change(ids)
        let words = Self.words(done.count, call.form["do"] ?? "")
        let gone =
            done.gone == 0 ? "" : " \(done.gone) \(done.gone == 1 ? "had" : "of them had") ended before."
        return .redirect(to: call.wayBack(or: "/deferred"), words: words + gone)
    }

    private func change(_ ids: [Int64]) async throws -> (count: Int, gone: Int) {
        let by = call.caller.name
        switch call.form["do"] {
        case "fire":
            let payload = try call.form.text("payload").map { try JSONValue(parsing: $0) }
            let make = call.surroundings.handMadeEvent
            return try await end(ids) { wait, now in .event(try make(wait, payload, now)) }
        case "cancel":
            let intent = CancelIntent(finalState: .failed, reason: "user", by: by)
            return try await end(ids) { _, _ in .cancelled(intent) }
        case "extend":
            guard let text = call.form.text("by") else {
                throw Refusal(.badRequest, "invalid_request", "by how much? A length of time such as 30m")
            }
            let span = try TimeSpan(parsing: text)
            guard span.microseconds > 0 else {
                throw Refusal(.badRequest, "invalid_request", "a deadline is moved by a length of time above zero")
            }
            return try await move(ids, .by(span))
        case "open": return try await move(ids, .away)
        default:
            throw Refusal(.badRequest, "invalid_request", "what is to be done? 'do' is fire, cancel, extend or open")
        }
    }

    /// Ends waits, all in one transaction. Those that somebody else has ended are left.
    private func end(
        _ ids: [Int64], as outcome: @escaping @Sendable (WaitRow, Timestamp) throws -> WaitOutcome
    ) async throws -> (count: Int, gone: Int) {
        let by = call.caller.name
        return try await call.write { transaction in
            let firings = try ids.compactMap { id in
                try transaction.wait(id).map {
                    Firing(waitID: id, outcome: try outcome($0, transaction.now), by: by)
                }
            }
            let won = try transaction.fire(firings, lease: nil).count { $0 }
            return (won, ids.count - won)
        }
    }

    private func move(_ ids: [Int64], _ move: DeadlineMove) async throws -> (count: Int, gone: Int) {
        try await call.write { transaction in
            let there = try ids.filter { try transaction.wait($0) != nil }
            for id in there { _ = try transaction.moveDeadline(of: id, move) }
            return (there.count, ids.count - there.count)
        }
    }

    private static func words(_ count: Int, _ what: String) -> String {
        let waits = count == 1 ? "1 wait" : "\(count) waits"
        switch what {
        case "fire": return "\(waits) fired."
        case "cancel": return "\(waits) cancelled."
        case "open": return "The deadline of \(waits) is away."
        default: return "The deadline of \(waits) is moved."
        }
    }
}
