// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchSDK

/// One task taken out of its DAG, with what it would get from other tasks given by hand.
///
/// Where it takes outputs, tasks of the same names stand before it and give what was given; so its inputs reach it on
/// the same way as in a run.
struct LoneTask {
    let dag: DAG
    let index: Int

    var definition: TaskDefinition { dag.definition.tasks[index] }

    init(_ dag: DAG, _ taskID: String) throws {
        guard let index = dag.definition.tasks.firstIndex(where: { $0.taskID == taskID }) else {
            throw PerchError(
                .notFound,
                "DAG '\(dag.definition.dagID)' has no task '\(taskID)'; it has "
                    + Self.listed(dag.definition.tasks.map(\.taskID)))
        }
        self.dag = dag
        self.index = index
    }

    /// The DAG of this task alone.
    /// - Throws: `ValidationError` where an input is missing, unknown or of the wrong shape.
    func alone(inputs: [(name: String, value: JSONValue)], mapElement: JSONValue?) throws -> DAG {
        let tasks = dag.definition.tasks
        var given: [Int: TaskOutput] = [:]
        for (name, value) in inputs {
            guard let source = definition.inputs.first(where: { tasks[$0].taskID == name }) else {
                throw ValidationError("the task '\(definition.taskID)' takes no input '\(name)'; \(wanted)")
            }
            guard given[source] == nil else { throw ValidationError("--input \(name) is given twice") }
            if isGathered(source) {
                guard case .array = value else {
                    throw ValidationError(
                        "--input \(name) is an array: '\(name)' is mapped, and each of its instances has an output")
                }
            }
            given[source] = TaskOutput(json: value.text)
        }
        if let source = definition.mappedOver {
            guard let mapElement else {
                throw ValidationError(
                    "the task '\(definition.taskID)' is mapped over the output of '\(tasks[source].taskID)': give the "
                        + "element for one instance with --map-element JSON")
            }
            let list = given[source]?.json ?? JSONValue.array([mapElement]).text
            given[source] = TaskOutput(json: list, items: [mapElement.text])
        } else if mapElement != nil {
            throw ValidationError("the task '\(definition.taskID)' is not mapped: it takes no --map-element")
        }
        let missing = definition.inputs.filter { given[$0] == nil }
        guard missing.isEmpty else {
            let names = Set(missing).sorted().map { tasks[$0].taskID }
            throw ValidationError("--input is missing for \(Self.listed(names)): \(wanted)")
        }
        return reduced(given)
    }

    private func reduced(_ given: [Int: TaskOutput]) -> DAG {
        let tasks = dag.definition.tasks
        var whole = dag.definition
        var code: [TaskCode?] = []
        var places: [Int: Int] = [:]
        whole.tasks = []
        for (source, output) in given.sorted(by: { $0.key < $1.key }) {
            places[source] = whole.tasks.count
            whole.tasks.append(TaskDefinition(taskID: tasks[source].taskID, kind: .code(operatorName: "given")))
            code.append(TaskCode { _, _, _ in output })
        }
        var task = definition
        task.upstream = Array(whole.tasks.indices)
        task.inputs = definition.inputs.compactMap { places[$0] }
        task.mappedOver = definition.mappedOver.flatMap { places[$0] }
        // Alone it is a mapped task as every other.
        if !definition.alignedWith.isEmpty {
            task.alignedWith = []
            task.triggerRule = .allSuccess
        }
        if task.mappedOver != nil { task.shortCircuits = false }
        // One try: whoever tests wants to see the fault, and not the same one again in five minutes.
        task.retries = 0
        whole.tasks.append(task)
        code.append(dag.code[index])
        return DAG(definition: whole, code: code, of: dag)
    }

    /// Whether the task takes the outputs of all instances of another, and not that of its own element.
    private func isGathered(_ source: Int) -> Bool {
        dag.definition.tasks[source].mappedOver != nil && !definition.alignedWith.contains(source)
    }

    /// What the task takes, for messages.
    private var wanted: String {
        let tasks = dag.definition.tasks
        var named: Set<Int> = []
        let inputs = definition.inputs.filter { named.insert($0).inserted }.map { source in
            let task = tasks[source]
            switch task.kind {
            case .sensor(let sensor): return "\(task.taskID) (the event of the sensor, \(sensor.trigger.kind))"
            case .code where isGathered(source):
                return "\(task.taskID) (the outputs of the mapped task, an array)"
            case .code, .empty, .latestOnly: return "\(task.taskID) (the output of the task)"
            }
        }
        return inputs.isEmpty
            ? "it takes none" : "it takes " + inputs.joined(separator: ", ") + ", as --input NAME=JSON"
    }

    static func listed(_ names: [String]) -> String {
        names.isEmpty ? "none" : names.prefix(10).joined(separator: ", ") + (names.count > 10 ? ", …" : "")
    }
}
