// SPDX-License-Identifier: Apache-2.0

/// A run of another DAG that a task of a document starts.
package struct DocumentRun: Sendable {
    let aim: RunAim
    let params: [String: JSONValue]

    /// - Parameters:
    ///   - params: What the run is given; strings may hold templates.
    ///   - task: The task of the other DAG whose output is wanted; nil: how the run ended is enough.
    package init(of dagID: String, params: [String: JSONValue], outputOf task: String?) {
        var aim = RunAim(dagID: dagID, taskID: task, selection: DAGBuilder.startedRun)
        aim.givesOutput = task != nil
        self.aim = aim
        self.params = params
    }
}

/// What a task of a document is mapped over, where that is not the output of one task as it is.
package struct DocumentElements: Sendable {
    /// How elements are made of several lists.
    package enum Combination: String, Sendable {
        /// Those of the only list.
        case one
        /// Each element with each of the others.
        case product
        /// The first ones together, the second ones, and so on.
        case zip
    }

    /// One of the lists.
    package struct Source: Sendable {
        /// Under which an element of several has the one of this list.
        var name: String
        var task: String
        /// Whether the task starts a run, so that the list lies in the event of its end.
        var isRun: Bool

        package init(name: String, task: String, isRun: Bool) {
            self.name = name
            self.task = task
            self.isRun = isRun
        }
    }

    /// So many elements are made at most.
    static let most = 1_000_000

    let combination: Combination
    let sources: [Source]

    package init(_ combination: Combination, of sources: [Source]) {
        self.combination = combination
        self.sources = sources
    }

    /// The elements as a JSON array.
    ///
    /// - Parameter outputs: The outputs of the tasks, in the order of the sources.
    /// - Throws: `NonRetryable` where one is no list, or they are not as long as they have to be.
    func text(of outputs: [String]) throws(NonRetryable) -> String {
        var lists: [[String]] = []
        for (source, output) in Swift.zip(sources, outputs) { lists.append(try Self.list(source, output)) }
        switch combination {
        case .one: return "[" + (lists.first ?? []).joined(separator: ",") + "]"
        case .zip: return try zipped(lists)
        case .product: return try product(lists)
        }
    }

    private static func list(_ source: Source, _ output: String) throws(NonRetryable) -> [String] {
        do {
            guard source.isRun else { return try JSONText.elements(of: output).map(\.trimmed) }
            let event = try JSONValue(parsingEnvelope: output)
            return try JSONText.elements(of: (event["output"] ?? .null).text)
        } catch {
            throw NonRetryable("what '\(source.task)' gave is no list to be mapped over: \(error)")
        }
    }

    private func zipped(_ lists: [[String]]) throws(NonRetryable) -> String {
        guard let first = lists.first, lists.allSatisfy({ $0.count == first.count }) else {
            let lengths = Swift.zip(sources, lists).map { "'\($0.task)' has \($1.count)" }.joined(separator: ", ")
            throw NonRetryable("zip takes as many elements of each: \(lengths)")
        }
        return array(first.indices.map { index in lists.map { $0[index] } })
    }

    private func product(_ lists: [[String]]) throws(NonRetryable) -> String {
        var count = 1
        for list in lists {
            let (product, isOver) = count.multipliedReportingOverflow(by: list.count)
            guard !isOver, product <= Self.most else {
                let lengths = lists.map { "\($0.count)" }.joined(separator: " × ")
                throw NonRetryable("the product has \(lengths) elements; it is at most \(Self.most)")
            }
            count = product
        }
        var rows: [[String]] = [[]]
        for list in lists { rows = rows.flatMap { row in list.map { row + [$0] } } }
        return array(rows)
    }

    private func array(_ rows: [[String]]) -> String {
        let names = sources.map { JSONValue.string($0.name).text }
        let objects = rows.map { row in
            "{" + Swift.zip(names, row).map { "\($0):\($1)" }.joined(separator: ",") + "}"
        }
        return "[" + objects.joined(separator: ",") + "]"
    }
}
