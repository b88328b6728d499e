// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

extension Snapshot {
    /// A DAG that is there; unknown ids are an error that says what is.
    package func knownDAG(_ id: String) throws -> DAGRow {
        if let row = try dag(id) { return row }
        let known = try dags().map(\.dagID)
        throw PerchError(
            .notFound,
            known.isEmpty
                ? "there is no DAG '\(id)', nor any other: the engine stores them when it has started a bundle"
                : "there is no DAG '\(id)'; \(NearName.hint(id, known))")
    }

    /// The definition that a run started on, where it has this task.
    package func knownTask(_ taskID: String, of run: RunRow) throws -> TaskDefinition {
        let tasks = try definition(ofVersion: run.versionID).tasks
        if let task = tasks.first(where: { $0.taskID == taskID }) { return task }
        throw PerchError(
            .notFound,
            tasks.isEmpty
                ? "run '\(run.runID)' of '\(run.dagID)' has no task '\(taskID)', nor any other"
                : "run '\(run.runID)' of '\(run.dagID)' has no task '\(taskID)'; "
                    + NearName.hint(taskID, tasks.map(\.taskID)))
    }
}

/// What somebody may have meant who mistyped a name.
package enum NearName {
    /// `did you mean 'orders'?`, or `there are orders, rates` with the first ten.
    package static func hint(_ name: String, _ known: [String]) -> String {
        if let near = nearest(to: name, in: known) { return "did you mean '\(near)'?" }
        let names = known.sorted().prefix(10).joined(separator: ", ")
        return "there \(known.count == 1 ? "is" : "are") \(names)\(known.count > 10 ? ", …" : "")"
    }

    /// The known name that takes the fewest changes of a letter, where they are no more than a third of the name.
    package static func nearest(to name: String, in known: [String]) -> String? {
        let most = max(1, name.utf8.count / 3)
        var best: (name: String, distance: Int)?
        for other in known.sorted() where abs(other.utf8.count - name.utf8.count) <= most {
            let distance = distance(Array(name.utf8), Array(other.utf8))
            if distance <= most, distance < best?.distance ?? .max { best = (other, distance) }
        }
        return best?.name
    }

    /// How many bytes are to be added, removed or changed (Levenshtein).
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var previous = Array(0...right.count)
        for (row, byte) in left.enumerated() {
            var current = [row + 1]
            for (column, other) in right.enumerated() {
                current.append(
                    min(previous[column] + (byte == other ? 0 : 1), previous[column + 1] + 1, current[column] + 1))
            }
            previous = current
        }
        return previous[right.count]
    }
}
