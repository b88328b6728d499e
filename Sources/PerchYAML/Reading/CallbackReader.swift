// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// What a document has done when something happens.
struct DocumentCallback {
    /// Without the groups around it.
    var id: String
    var group: String
    var point: CallbackPoint
    /// The index of the task that it is about; nil: the run.
    var task: Int?
    var code: any Operator
    var place: YAMLPlace
}

/// Reads what is done when something happens to the tasks of a document, or to its runs.
struct CallbackReader {
    private(set) var callbacks: [DocumentCallback] = []
    private(set) var problems: [YAMLProblem] = []

    /// - Parameter dag: The document as it was read, as far as it is right.
    mutating func read(_ dag: YAMLValue, _ outline: TaskOutline) {
        for (point, field) in CallbackShapes.ofRuns {
            add(dag[field.name]?.elements ?? [], field.name, "", nil) { _ in point }
        }
        let deadlines = dag[CallbackShapes.ofDeadlines.name]?.elements ?? []
        add(deadlines, CallbackShapes.ofDeadlines.name, "", nil) {
            .deadline($0["after"]?.span ?? TimeSpan(microseconds: 1))
        }
        for (index, entry) in outline.entries.enumerated() where !entry.isGroup {
            let name = entry.group.isEmpty ? entry.id : String(entry.id.dropFirst(entry.group.count + 1))
            for (point, field) in CallbackShapes.ofTasks {
                add(entry.read?[field.name]?.elements ?? [], "\(field.name)_of_\(name)", entry.group, index) { _ in
                    point
                }
            }
        }
    }

    private mutating func add(
        _ values: [YAMLValue], _ id: String, _ group: String, _ task: Int?, _ point: (YAMLValue) -> CallbackPoint
    ) {
        for (index, value) in values.enumerated() {
            guard let code = Operators.code(of: value, &problems) else { continue }
            callbacks.append(
                DocumentCallback(
                    id: index == 0 ? id : "\(id)_\(index + 1)", group: group, point: point(value), task: task,
                    code: code,
                    place: value.place))
        }
    }
}
