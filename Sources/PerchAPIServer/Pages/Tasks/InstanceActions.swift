// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// What a task instance's page does with it.
struct InstanceActions {
    private let call: PageCall

    init(_ call: PageCall) { self.call = call }

    func perform() async throws -> PageReply {
        let (call, by, what) = (call, call.caller.name, call.form["do"] ?? "")
        let key = try await call.read { try InstanceHead(call, $0).key }
        let mapIndex = key.mapIndex < 0 ? nil : key.mapIndex
        let way = PagePath.instance(key, nil)
        switch what {
        case "clear", "clear-downstream":
            let cleared = try await call.write { transaction in
                try transaction.clear(
                    dagID: key.dagID, runID: key.runID, taskID: key.taskID, mapIndex: mapIndex,
                    downstream: what != "clear", onlyFailed: false, by: by)
            }
            return .redirect(
                to: way,
                words: cleared.isEmpty
                    ? "Nothing was changed: it has not run." : "\(cleared.count) task instances run again.")
        case "cancel":
            let intent = CancelIntent(finalState: .failed, reason: "user", by: by)
            let isCancelled = try await call.write { try $0.cancelTask(key, intent: intent) }
            return .redirect(
                to: way, words: isCancelled ? "It is being cancelled." : "Nothing was changed: it has ended already.")
        case "success", "failed", "skipped":
            let state = TaskState(rawValue: what) ?? .success
            let marked = try await call.write { transaction in
                try transaction.mark(
                    dagID: key.dagID, runID: key.runID, taskID: key.taskID, mapIndex: mapIndex, as: state, by: by)
            }
            return .redirect(
                to: way, words: marked.isEmpty ? "Nothing was changed: it was so already." : "It is marked \(what).")
        default:
            throw Refusal(
                .badRequest, "invalid_request",
                "what is to be done? 'do' is clear, clear-downstream, cancel, success, failed or skipped")
        }
    }
}
