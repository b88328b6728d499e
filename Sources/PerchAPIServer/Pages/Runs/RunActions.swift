// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// What a run's page does: ends the run, has tasks run again, gives them states.
struct RunActions {
    private static let mostChosen = 200

    private let call: PageCall

    init(_ call: PageCall) { self.call = call }

    func perform() async throws -> PageReply {
        let call = call
        let (dagID, runID, by) = (call.name("dag_id"), call.name("run_id"), call.caller.name)
        let way = PagePath.run(dagID, runID)
        switch call.form["do"] {
        case "end":
            try await call.write { try $0.endRun($0.knownRun(dagID, runID), by: by) }
            return .redirect(to: way, words: "The run ends.")
        case "clear" where call.form.has("only"):
            let onlyFailed = call.form["only"] != "all"
            let cleared = try await call.write { transaction in
                let run = try transaction.knownRun(dagID, runID)
                return try transaction.clear(
                    dagID: run.dagID, runID: run.runID, taskID: nil, mapIndex: nil, downstream: false,
                    onlyFailed: onlyFailed, by: by)
            }
            return .redirect(to: way, words: Self.words(cleared.count, "run again", "nothing of it has failed"))
        case "clear":
            let downstream = call.form.has("downstream")
            let cleared = try await each { transaction, key in
                try transaction.clear(
                    dagID: key.dagID, runID: key.runID, taskID: key.taskID,
                    mapIndex: key.mapIndex < 0 ? nil : key.mapIndex, downstream: downstream, onlyFailed: false, by: by)
            }
            return .redirect(to: way, words: Self.words(cleared, "run again", "none of them could"))
        case let name? where TaskState(rawValue: name) != nil:
            let state = TaskState(rawValue: name) ?? .success
            let marked = try await each { transaction, key in
                try transaction.mark(
                    dagID: key.dagID, runID: key.runID, taskID: key.taskID,
                    mapIndex: key.mapIndex < 0 ? nil : key.mapIndex, as: state, by: by)
            }
            return .redirect(to: way, words: Self.words(marked, "marked \(name)", "they were so already"))
        default:
            throw Refusal(
                .badRequest, "invalid_request", "what is to be done? 'do' is end, clear, success, failed or skipped")
        }
    }

    private static func words(_ count: Int, _ what: String, _ else: String) -> String {
        count == 0
            ? "Nothing was changed: \(`else`)." : "\(count) task \(count == 1 ? "instance" : "instances") \(what)."
    }

    /// Does something with each of the chosen instances, with all or with none, and says how many changed.
    private func each(
        _ change: @escaping @Sendable (Transaction, TaskInstanceKey) throws -> [TaskInstanceKey]
    ) async throws -> Int {
        let ids = call.form.all("task").compactMap { Int64($0) }
        guard (1...Self.mostChosen).contains(ids.count) else {
            throw Refusal(
                .badRequest, "invalid_request",
                ids.isEmpty ? "no task is chosen" : "at most \(Self.mostChosen) tasks can be chosen at once")
        }
        let (dagID, runID) = (call.name("dag_id"), call.name("run_id"))
        return try await call.write { transaction in
            let run = try transaction.knownRun(dagID, runID)
            var changed: Set<TaskInstanceKey> = []
            for id in ids {
                guard let instance = try transaction.taskInstance(id: id), instance.runKey == run.runKey else {
                    throw PerchError(.notFound, "a chosen task is not there any more; look at the run again")
                }
                changed.formUnion(try change(transaction, instance.key))
            }
            return changed.count
        }
    }
}
