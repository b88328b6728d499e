// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Parts of sentences for people.
enum Words {
    /// `'a', 'b' and 'c'`, or `'a', 'b' and 7 others`.
    static func names(_ names: [String], of count: Int? = nil, most: Int = 5) -> String {
        let all = count ?? names.count
        // To name the last one takes no more room than to count it.
        let shown = all <= most ? names : Array(names.prefix(most - 1))
        let quoted = shown.map { "'\($0)'" }
        if all > shown.count {
            let others = all - shown.count
            return quoted.joined(separator: ", ") + " and \(others) \(others == 1 ? "other" : "others")"
        }
        guard let last = quoted.last, quoted.count > 1 else { return quoted.joined() }
        return quoted.dropLast().joined(separator: ", ") + " and \(last)"
    }

    /// `1 slot`, `3 slots`.
    static func count(_ count: Int, _ word: String) -> String { "\(count) \(word)\(count == 1 ? "" : "s")" }

    /// What people say of a state.
    static func state(_ state: TaskState) -> String {
        switch state {
        case .none: "has not begun"
        case .scheduled: "waits for room"
        case .queued: "is queued"
        case .running: "runs"
        case .deferred: "is deferred"
        case .upForRetry: "is up for retry"
        case .success: "succeeded"
        case .failed: "failed"
        case .skipped: "was skipped"
        case .upstreamFailed: "did not run"
        case .removed: "was removed"
        }
    }

    /// What a trigger rule needs.
    static func need(_ rule: TriggerRule) -> String {
        let need =
            switch rule {
            case .allSuccess: "every upstream task to succeed"
            case .allFailed: "every upstream task to fail"
            case .allDone: "every upstream task to end"
            case .allDoneMinOneSuccess: "every upstream task to end, and one of them to succeed"
            case .allDoneSetupSuccess: "every upstream task to end, and one of its setups to succeed"
            case .oneSuccess: "one upstream task to succeed"
            case .oneFailed: "one upstream task to fail"
            case .oneDone: "one upstream task to succeed or to fail"
            case .noneFailed: "every upstream task to end, and none to fail"
            case .noneFailedMinOneSuccess: "every upstream task to end, none to fail, and one to succeed"
            case .noneSkipped: "every upstream task to end, and none to be skipped"
            case .allSkipped: "every upstream task to be skipped"
            case .always: "nothing"
            }
        return "its trigger rule \(rule.rawValue) needs \(need)"
    }

    /// A message inside a sentence: on one line, without its full stop.
    static func clause(_ message: String) -> String {
        var text = message.shown(300)
        while text.hasSuffix(".") { text.removeLast() }
        return text
    }

    /// An instance as people write it: `load`, `load[3]`.
    static func name(_ key: TaskInstanceKey) -> String {
        key.mapIndex < 0 ? key.taskID : "\(key.taskID)[\(key.mapIndex)]"
    }
}

extension JSONValue {
    static func names(_ names: [String]) -> JSONValue { .array(names.map { .string($0) }) }
    static func count(_ count: Int) -> JSONValue { .integer(Int64(count)) }
    static func instant(_ instant: Timestamp?) -> JSONValue { instant.map { .string("\($0)") } ?? .null }
}
