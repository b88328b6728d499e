// SPDX-License-Identifier: Apache-2.0

extension DAGDraft {
    /// Puts the tasks in topological order and gives every index its final meaning. A cycle becomes a problem, and its
    /// tasks follow at the end in the order of declaration, without their cyclic edges.
    func finish(dagID: String) -> (tasks: [TaskDefinition], code: [TaskCode?], problems: [DeclarationProblem]) {
        joinMappings()
        for index in tasks.indices {
            tasks[index].upstream = Self.ascendingWithoutRepeats(tasks[index].upstream)
        }
        var (order, stuck) = topologicalOrder()
        // Runs create the instances of what stands before the first callback.
        order = order.filter { tasks[$0].callback == nil } + order.filter { tasks[$0].callback != nil }
        var found = problems
        if !stuck.isEmpty { found.append(cycleProblem(among: stuck)) }

        var place = [Int](repeating: 0, count: tasks.count)
        for (position, index) in order.enumerated() { place[index] = position }
        var definitions: [TaskDefinition] = []
        var code: [TaskCode?] = []
        definitions.reserveCapacity(tasks.count)
        code.reserveCapacity(tasks.count)
        for (position, index) in order.enumerated() {
            let task = tasks[index]
            var definition = task.definition
            definition.upstream = task.upstream.map { place[$0] }.filter { $0 < position }.sorted()
            definition.inputs = task.inputs.map { place[$0] }
            definition.mappedOver = source(of: index).map { place[$0] }
            definition.alignedWith = aligned(index).map { place[$0] }.filter { $0 < position }.sorted()
            definition.branches = task.branches.map { BranchEdge(upstream: place[$0], outputs: $1) }
                .filter { $0.upstream < position }.sorted { $0.upstream < $1.upstream }
            definition.shortCircuits = task.shortCircuits
            definition.limits = task.definition.limits.map {
                ConcurrencyLimit(name: $0.name.replacing(Self.dagIDMark, with: dagID), slots: $0.slots)
            }
            if !task.setups.isEmpty {
                let setups = Self.ascendingWithoutRepeats(task.setups.map { place[$0] })
                definition.teardown = TeardownDefinition(
                    setups: setups.filter { $0 < position }, failsRun: task.failsRun)
            }
            definition.callback = task.callback.map { points, tasks in
                CallbackDefinition(on: points, of: Self.ascendingWithoutRepeats(tasks.map { place[$0] }))
            }
            definitions.append(definition)
            // A mapped instance gives one element: its siblings together are the array.
            var body = task.run.map { Self.code($0, givesItems: task.givesItems && !isMapped(index)) }
            body?.templateFields = task.fields
            code.append(body)
        }
        for (position, index) in order.enumerated() where stuck.isEmpty {
            guard let problem = definitions[position].flowProblem(in: definitions) ?? sourceProblem(of: index)
            else { continue }
            found.append(tasks[index].place.problem("task '\(definitions[position].taskID)': \(problem)"))
        }
        return (definitions, code, found)
    }

    private static func code(_ run: @escaping Run, givesItems: Bool) -> TaskCode {
        TaskCode { context, inputs, element in
            let json = try await run(context, inputs, element)
            return TaskOutput(json: json, items: givesItems ? try JSONText.elements(of: json) : nil)
        }
    }

    private static func ascendingWithoutRepeats(_ indexes: [Int]) -> [Int] {
        guard indexes.count > 1 else { return indexes }
        var result: [Int] = []
        for index in indexes.sorted() where index != result.last { result.append(index) }
        return result
    }

    /// An order in which every task stands after its upstream: of those that are ready, the first declared. `stuck` are
    /// the tasks that a cycle keeps from ever being ready.
    private func topologicalOrder() -> (order: [Int], stuck: [Int]) {
        let isInOrder = tasks.indices.allSatisfy { index in tasks[index].upstream.allSatisfy { $0 < index } }
        if isInOrder { return (Array(tasks.indices), []) }
        var open = tasks.map(\.upstream.count)
        var downstream = [[Int]](repeating: [], count: tasks.count)
        for index in tasks.indices {
            for earlier in tasks[index].upstream { downstream[earlier].append(index) }
        }
        var ready = MinimumHeap()
        for index in tasks.indices where open[index] == 0 { ready.push(index) }
        var order: [Int] = []
        order.reserveCapacity(tasks.count)
        while let index = ready.pop() {
            order.append(index)
            for later in downstream[index] {
                open[later] -= 1
                if open[later] == 0 { ready.push(later) }
            }
        }
        let stuck = tasks.indices.filter { open[$0] > 0 }
        return (order + stuck, stuck)
    }

    /// Names one cycle, in the direction in which the tasks would run.
    private func cycleProblem(among stuck: [Int]) -> DeclarationProblem {
        let members = Set(stuck)
        // Every stuck task has a stuck one upstream, so going upstream must come back to one already seen.
        var trail: [Int] = []
        var seenAt: [Int: Int] = [:]
        var current = stuck[0]
        while seenAt[current] == nil {
            seenAt[current] = trail.count
            trail.append(current)
            guard let next = tasks[current].upstream.first(where: members.contains) else { break }
            current = next
        }
        var cycle = Array(trail[(seenAt[current] ?? 0)...].reversed())
        if let least = cycle.min(), let start = cycle.firstIndex(of: least) {
            cycle = Array(cycle[start...] + cycle[..<start])
        }
        let names = (cycle + cycle.prefix(1)).map { "'\(tasks[$0].definition.taskID)'" }
        return tasks[cycle.first ?? stuck[0]].place.problem(
            "the tasks go round in a circle: \(names.joined(separator: " → ")); take one of these edges out")
    }
}

/// The smallest of some numbers, again and again.
private struct MinimumHeap {
    private var items: [Int] = []

    mutating func push(_ item: Int) {
        items.append(item)
        var child = items.count - 1
        while child > 0, items[child] < items[(child - 1) / 2] {
            items.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func pop() -> Int? {
        guard let first = items.first, let last = items.popLast() else { return nil }
        guard !items.isEmpty else { return first }
        items[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < items.count && items[child] < items[least] {
                least = child
            }
            if least == parent { return first }
            items.swapAt(parent, least)
            parent = least
        }
    }
}
