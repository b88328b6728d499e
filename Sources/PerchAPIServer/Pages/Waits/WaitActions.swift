// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// What is done with waits by hand: of one, of many that were chosen, or of all that match a filter.
struct WaitActions {
    /// So many are changed in one transaction.
    private static let batch = 500

    /// The fields of a form that has waits in it.
    static let fields: HTML = """
        <p><button name="do" value="fire">Fire…</button> as if what is waited for had come, with the payload \
        <label><span class="vh">Payload</span><textarea name="payload" rows="2" placeholder="JSON, or nothing"></textarea></label></p>\
        <p><button name="do" value="extend">Move the deadline…</button> by <label><span class="vh">How much later</span>\
        <input type="text" name="by" placeholder="1h30m"></label> later \
        <button name="do" value="open">Take the deadline away…</button></p>\
        <p><button name="do" value="cancel" class="risk">Cancel…</button> the wait: its task cleans up, and fails</p>
        """

    /// What became of some waits.
    private struct Tally: Sendable {
        var done = 0
        /// Which had ended before.
        var gone = 0
        /// With which it could not be done, and why with the first of them.
        var refused = 0
        var reason: String?

        mutating func add(_ other: Tally) {
            done += other.done
            gone += other.gone
            refused += other.refused
            reason = reason ?? other.reason
        }
    }

    private let call: PageCall

    init(_ call: PageCall) { self.call = call }

    func perform() async throws -> PageReply {
        let deed = try WaitDeed(call.form)
        let targets = try await WaitTargets(call)
        var (tally, rest) = (Tally(), targets.ids[...])
        while !rest.isEmpty {
            let ids = Array(rest.prefix(Self.batch))
            rest = rest.dropFirst(Self.batch)
            tally.add(try await change(ids, deed, goesOn: targets.isMatching))
        }
        return .redirect(to: call.wayBack(or: "/deferred"), words: Self.words(tally, deed, targets))
    }

    private static func words(_ tally: Tally, _ deed: WaitDeed, _ targets: WaitTargets) -> String {
        var words = deed.words(tally.done)
        if tally.gone > 0 { words += " \(tally.gone) \(tally.gone == 1 ? "had" : "of them had") ended before." }
        if let reason = tally.reason {
            words += " With \(tally.refused) it could not be done: \(String(reason.shown(200)))."
        }
        if targets.hasMore { words += " More match: this was done with the first \(targets.ids.count.grouped)." }
        return words
    }

    /// Changes some waits, all in one transaction, and records each. Those that somebody else has ended are left.
    ///
    /// - Parameter goesOn: Whether the others are changed where it cannot be done with one; else nothing is.
    private func change(_ ids: [Int64], _ deed: WaitDeed, goesOn: Bool) async throws -> Tally {
        let (call, make) = (call, call.surroundings.handMadeEvent)
        let intent = CancelIntent(finalState: .failed, reason: "user", by: call.caller.name)
        return try await call.metastore.write { transaction in
            var (tally, firings): (Tally, [(wait: WaitRow, firing: Firing)]) = (Tally(), [])
            func fire(_ wait: WaitRow, _ outcome: WaitOutcome) {
                firings.append((wait, Firing(waitID: wait.waitID, outcome: outcome, by: call.caller.name)))
            }
            for id in ids {
                guard let wait = try transaction.wait(id), call.sees(wait.key.dagID) else {
                    tally.gone += 1
                    continue
                }
                try call.require(.operate, for: wait.key.dagID)
                do {
                    switch deed {
                    case .fire(let payload): fire(wait, .event(try make(wait, payload, transaction.now)))
                    case .cancel: fire(wait, .cancelled(intent))
                    case .move(let move):
                        _ = try transaction.moveDeadline(of: id, move)
                        tally.done += 1
                        try transaction.audit(entry(wait))
                    }
                } catch let error as PerchError where goesOn && error.code == .invalid {
                    tally.refused += 1
                    tally.reason = tally.reason ?? error.message
                }
            }
            for (fired, isWon) in zip(firings, try transaction.fire(firings.map(\.firing), lease: nil)) {
                guard isWon else {
                    tally.gone += 1
                    continue
                }
                tally.done += 1
                try transaction.audit(entry(fired.wait))
            }
            return tally
        }
    }

    /// What the record says of one wait.
    private func entry(_ wait: WaitRow) -> AuditEntry {
        var details: [String: JSONValue] = [
            "do": .string(call.form["do"] ?? ""), "dag_id": .string(wait.key.dagID), "run_id": .string(wait.key.runID),
            "task_id": .string(wait.key.taskID),
        ]
        if wait.key.mapIndex >= 0 { details["map_index"] = .integer(Int64(wait.key.mapIndex)) }
        if let by = call.form.text("by"), call.form["do"] == "extend" { details["by"] = .string(by) }
        return AuditEntry(
            who: call.caller.name, how: call.caller.how, action: "form", subject: "/deferred/\(wait.waitID)",
            details: AuditDetails.withoutSecrets(.object(details)))
    }
}
