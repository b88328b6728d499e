// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// What a client or the world outside does at some instant, as data.
package enum Operation: Codable, Hashable, Sendable {
    case trigger(dagID: String, runID: String)
    /// Nil: the engine makes an id, and a second one is another event.
    case emit(name: String, key: String?, eventID: String?, value: Int)
    case writeFile(path: String, size: Int)
    case renameFile(from: String, to: String)
    case removeFile(path: String)
    /// What a URL answers from now on; nil: nothing, the connection is refused.
    case setAnswer(url: String, status: Int?)
    case cancelRun(dagID: String, runID: String)
    case cancelTask(dagID: String, runID: String, taskID: String, mapIndex: Int, as: TaskState)
    /// Cancels a wait of a DAG: of those that are there, in the order of ids, the one at this place, counted round.
    case cancelWait(dagID: String, place: Int)
    /// Fires one by hand.
    case fireWait(dagID: String, place: Int)
    /// Nil: every task of the run.
    case clear(dagID: String, runID: String, taskID: String?, mapIndex: Int?, downstream: Bool, onlyFailed: Bool)
    case pause(dagID: String, isPaused: Bool)
    case resizePool(name: String, slots: Int)
    /// Removes runs and events that are older.
    case clean(olderThan: TimeSpan)

    /// Whether doing it again changes nothing where it was done before.
    package var mayComeTwice: Bool {
        switch self {
        case .trigger, .pause, .resizePool, .cancelRun: true
        case .emit(_, _, let eventID, _): eventID != nil
        default: false
        }
    }

    /// What it sets, where it sets something: of two requests for that the later one counts.
    package var setting: String? {
        switch self {
        case .pause(let dagID, _): "pause of \(dagID)"
        case .resizePool(let name, _): "size of \(name)"
        default: nil
        }
    }

    /// Whether it is done to the world outside, not to the metastore.
    package var isOfTheWorld: Bool {
        switch self {
        case .writeFile, .renameFile, .removeFile, .setAnswer: true
        default: false
        }
    }
}

extension Operation: CustomStringConvertible {
    package var description: String {
        switch self {
        case .trigger(let dagID, let runID): "trigger \(dagID) \(runID)"
        case .emit(let name, let key, let eventID, let value):
            "emit \(name)\(key.map { "/\($0)" } ?? "") id \(eventID ?? "-") value \(value)"
        case .writeFile(let path, let size): "write \(path), \(size) bytes"
        case .renameFile(let from, let to): "rename \(from) to \(to)"
        case .removeFile(let path): "remove \(path)"
        case .setAnswer(let url, let status): "\(url) answers \(status.map { "\($0)" } ?? "nothing")"
        case .cancelRun(let dagID, let runID): "cancel \(dagID) \(runID)"
        case .cancelTask(let dagID, let runID, let taskID, let mapIndex, let state):
            "cancel \(dagID) \(runID) \(taskID) [\(mapIndex)] as \(state.rawValue)"
        case .cancelWait(let dagID, let place): "cancel wait \(place) of \(dagID)"
        case .fireWait(let dagID, let place): "fire wait \(place) of \(dagID)"
        case .clear(let dagID, let runID, let taskID, let mapIndex, let downstream, let onlyFailed):
            "clear \(dagID) \(runID) \(taskID ?? "everything") [\(mapIndex.map { "\($0)" } ?? "all")]"
                + (downstream ? " and downstream" : "") + (onlyFailed ? ", failed ones" : "")
        case .pause(let dagID, let isPaused): "\(isPaused ? "pause" : "unpause") \(dagID)"
        case .resizePool(let name, let slots): "pool \(name) has \(slots) slots"
        case .clean(let span): "clean what is older than \(span)"
        }
    }
}

/// An operation with its instant.
package struct PlannedOperation: Codable, Hashable, Sendable, CustomStringConvertible {
    /// From the beginning of the history.
    package var at: TimeSpan
    package var operation: Operation

    /// An operation at an instant.
    package init(at: TimeSpan, _ operation: Operation) {
        self.at = at
        self.operation = operation
    }

    package var description: String { "\(at): \(operation)" }
}
