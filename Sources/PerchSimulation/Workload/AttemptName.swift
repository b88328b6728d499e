// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Names one try of one task instance.
package struct AttemptName: Codable, Hashable, Sendable, CustomStringConvertible {
    package var dagID: String
    package var runID: String
    package var taskID: String
    package var mapIndex: Int
    package var tryNumber: Int

    /// A name from its parts.
    package init(dagID: String, runID: String, taskID: String, mapIndex: Int = -1, tryNumber: Int) {
        self.dagID = dagID
        self.runID = runID
        self.taskID = taskID
        self.mapIndex = mapIndex
        self.tryNumber = tryNumber
    }

    init(_ facts: AttemptFacts) {
        self.init(
            dagID: facts.dagID, runID: facts.runID, taskID: facts.taskID, mapIndex: facts.mapIndex,
            tryNumber: facts.tryNumber)
    }

    package var description: String {
        let index = mapIndex < 0 ? "" : "[\(mapIndex)]"
        return "\(dagID)/\(runID)/\(taskID)\(index) try \(tryNumber)"
    }
}
