// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Reads one document as a DAG. What is wrong is collected, all of it, with its places.
struct DAGReader {
    private let file: String
    private var reader = ShapeReader()
    private var problems: [YAMLProblem] = []

    private init(file: String) { self.file = file }

    /// The DAG of a document; nil where something in it is wrong.
    ///
    /// - Parameter file: As problems name it.
    static func read(_ document: YAMLValue, file: String) -> (dag: DAG?, problems: [DeclarationProblem]) {
        var reader = DAGReader(file: file)
        let dag = reader.dag(document)
        let found = reader.reader.problems + reader.problems
        var seen: Set<YAMLProblem> = []
        let problems = found.filter { seen.insert($0).inserted }
            .sorted { ($0.place.line, $0.place.column) < ($1.place.line, $1.place.column) }
            .map {
                DeclarationProblem(file: file, line: $0.place.line, column: $0.place.column, message: $0.message)
            }
        return (problems.isEmpty ? dag : nil, problems)
    }

    private func place(_ place: YAMLPlace) -> DeclarationPlace {
        DeclarationPlace(file, place.line, column: place.column)
    }

    private mutating func report(_ message: String, at place: YAMLPlace) {
        problems.append(YAMLProblem(place: place, message: message))
    }

    // MARK: The DAG

    private mutating func dag(_ document: YAMLValue) -> DAG? {
        // The tasks are read one by one, so that one that is wrong hides no other.
        var head = document
        if case .mapping(let members) = document.content {
            head.content = .mapping(
                members.map { member in
                    guard member.name == "tasks", case .list = member.value.content else { return member }
                    var member = member
                    member.value.content = .list([])
                    return member
                })
        }
        let read = reader.parts(of: head, DAGShapes.dag, "the file")
        let outline = TaskOutline(document["tasks"], &reader)
        let graph = TaskGraph(outline)
        problems += outline.problems + graph.problems
        let works = outline.entries.enumerated().map { index, entry in
            entry.isGroup ? nil : work(entry, in: outline, isMapped: outline.mappedGroup(around: index) != nil)
        }
        let callbacks = callbacks(outline, read)

        let id = document["id"]?.text ?? document["id"]?.written ?? ""
        if let written = document["id"], !written.isNull, let problem = IDRule.problem(of: id, what: "DAG id") {
            report(problem, at: written.place)
        }
        let schedule = ScheduleReader(read["schedule"], of: id)
        problems += schedule.problems
        let params = ParamReader(read["params"], schedule.schedule)
        problems += params.problems
        let (start, end) = bounds(read, zone: schedule.schedule.definition.timeZone)
        guard reader.problems.isEmpty, problems.isEmpty else { return nil }
        let weightRule = read["weight_rule"]?.text.flatMap { WeightRule(rawValue: $0) } ?? .absolute
        let dag = DAG(
            id, schedule: schedule.schedule, start: start, end: end, catchup: read["catchup"]?.isTrue ?? false,
            maxActiveRuns: read["max_active_runs"]?.integer ?? 16,
            maxActiveTasks: read["max_active_tasks"]?.integer,
            weightRule: weightRule,
            runTimeout: read["run_timeout"]?.duration,
            versioning: read["versioning"]?.text.flatMap { DAGVersioning(rawValue: $0) } ?? .current,
            params: params.params,
            description: read["description"]?.text ?? "",
            tags: (read["tags"]?.elements ?? []).compactMap(\.text), defaults: options(read["defaults"]),
            place: place(document.place)
        ) { declare(outline, graph, works, callbacks, $0) }
        for problem in dag.problems {
            let place = YAMLPlace(line: problem.line, column: problem.column ?? 1)
            report(problem.message.shown(900), at: place)
        }
        guard problems.isEmpty else { return nil }
        do throws(PerchError) {
            // What the engine will read.
            _ = try DAGDefinition(json: dag.definition.json)
            return dag
        } catch {
            report(error.message, at: document.place)
            return nil
        }
    }

    private mutating func bounds(_ value: YAMLValue, zone: String) -> (start: String?, end: String?) {
        var instants: [Timestamp] = []
        for name in ["start", "end"] {
            guard let text = value[name]?.text, let place = value[name]?.place else { continue }
            do throws(PerchError) {
                instants.append(try Timestamp(parsing: text, dateIn: zone))
            } catch {
                report("'\(name)': \(error.message)", at: place)
            }
        }
        if instants.count == 2, instants[1] < instants[0], let place = value["end"]?.place {
            report("the end lies before the start", at: place)
        }
        return (value["start"]?.text, value["end"]?.text)
    }

    // MARK: Tasks

    /// What a task does; nil where that is wrong.
    ///
    /// - Parameter isMapped: Whether it stands in a mapped group.
    private mutating func work(
        _ entry: TaskOutline.Entry, in outline: TaskOutline, isMapped: Bool
    ) -> DocumentTask? {
        guard let value = entry.read else { return nil }
        let timeout = value["timeout"]?.duration ?? .days(7)
        let softFail = value["soft_fail"]?.isTrue ?? false
        let work: DocumentTask.Work
        if let elements = entry.elements {
            work = .elements(outline.elements(elements))
        } else if let wait = value["sensor"] {
            guard let trigger = Triggers.trigger(wait, &problems) else { return nil }
            work = .sensor(trigger, timeout: timeout, softFail: softFail)
        } else if let run = value["run_dag"] {
            let params = (run["params"]?.members ?? []).map { ($0.name, $0.value.json) }
            let wanted = DocumentRun(
                of: run["dag_id"]?.text ?? "", params: Dictionary(params) { $1 }, outputOf: run["output_of"]?.text)
            work = .run(wanted, timeout: timeout, softFail: softFail)
        } else if value["empty"] != nil {
            work = .empty
        } else if value["latest_only"] != nil {
            work = .latestOnly
        } else {
            guard let code = Operators.code(of: value, &problems) else { return nil }
            work = .code(code)
        }
        let id = entry.group.isEmpty ? entry.id : String(entry.id.dropFirst(entry.group.count + 1))
        var task = DocumentTask(
            id: id, group: entry.group, work: work, options: options(value), place: place(entry.value.place))
        task.isMapped = isMapped || value["over"] != nil
        if let wait = value["start_from"] {
            guard let trigger = Triggers.trigger(wait, &problems) else { return nil }
            task.start = DocumentTask.Start(trigger, timeout: value["start_timeout"]?.duration)
        }
        let owners = [("pool", TaskDefinition.problem(ofPool:)), ("queue", TaskDefinition.problem(ofQueue:))]
        for (name, problem) in owners {
            guard let given = value[name], let text = given.text, let problem = problem(text) else { continue }
            report(problem, at: given.place)
        }
        return task
    }

    private func options(_ value: YAMLValue?) -> TaskOptions {
        guard let value else { return TaskOptions() }
        return TaskOptions(
            retries: value["retries"]?.integer, retryDelay: value["retry_delay"]?.duration,
            retryExponentialBackoff: value["retry_exponential_backoff"]?.isTrue,
            maxRetryDelay: value["max_retry_delay"]?.duration,
            executionTimeout: value["execution_timeout"]?.duration, taskTimeout: value["task_timeout"]?.duration,
            queuedTimeout: value["queued_timeout"]?.duration, killTimeout: value["kill_timeout"]?.duration,
            pool: value["pool"]?.text,
            poolSlots: value["pool_slots"]?.integer, priority: value["priority"]?.integer, queue: value["queue"]?.text,
            isolation: value["isolation"]?.text.flatMap(TaskIsolation.init(rawValue:)),
            outlets: value["outlets"]?.elements.compactMap { item in item.text.map { Asset($0) } },
            triggerRule: value["trigger_rule"]?.text.flatMap(TriggerRule.init(rawValue:)))
    }

    private func declare(
        _ outline: TaskOutline, _ graph: TaskGraph, _ works: [DocumentTask?], _ callbacks: [DocumentCallback],
        _ builder: borrowing DAGBuilder
    ) {
        var anchors: [Int: TaskAnchor] = [:]
        var groups: [Int: Int] = [:]
        for (index, entry) in outline.entries.enumerated() where entry.isGroup && entry.value["over"] != nil {
            groups[index] = builder.declareMappedGroup(entry.id)
        }
        for (index, work) in works.enumerated() {
            guard var work else { continue }
            work.mapping = outline.mappedGroup(around: index).flatMap { groups[$0] }
            anchors[index] = builder.declare(work)
        }
        for edge in graph.edges {
            guard let from = anchors[edge.from], let to = anchors[edge.to] else { continue }
            builder.join(from, giving: edge.outputs, to: to, place(edge.place))
        }
        for (index, sources) in graph.inputs.sorted(by: { $0.key < $1.key }) {
            guard let task = anchors[index] else { continue }
            builder.give(sources.compactMap { anchors[$0] }, to: task, place(outline.entries[index].value.place))
        }
        for (index, source) in graph.sources.sorted(by: { $0.key < $1.key }) {
            guard let earlier = anchors[source.task] else { continue }
            if let group = groups[index] {
                builder.map(group: group, over: earlier, place(source.place))
            } else if let task = anchors[index] {
                builder.map(task, over: earlier, place(source.place))
            }
        }
        for (index, entry) in outline.entries.enumerated() {
            if entry.isGroup, let percent = entry.read?["tolerated_failures"]?.integer {
                for task in outline.tasks(of: index).compactMap({ anchors[$0] }) {
                    builder.tolerate(task, percent, place(entry.value.place))
                }
            }
            guard let task = anchors[index], let value = entry.read else { continue }
            let here = place(entry.value.place)
            if value["short_circuit"] != nil { builder.shortCircuit(task, here) }
            if let teardown = value["teardown"] {
                let setups = (graph.setups[index] ?? []).compactMap { anchors[$0] }
                builder.teardown(task, of: setups, failsRun: teardown["fails_run"]?.isTrue ?? false, here)
            }
            if let percent = value["tolerated_failures"]?.integer { builder.tolerate(task, percent, here) }
            for limit in value["limits"]?.elements ?? [] {
                builder.limit(
                    task, atMost: limit["slots"]?.integer ?? 1, perRun: limit["per_run"]?.isTrue ?? false,
                    key: limit["key"]?.text, place(limit.place))
            }
        }
        for callback in callbacks {
            builder.callBack(
                callback.id, callback.code, in: callback.group, on: [callback.point],
                of: callback.task.flatMap { anchors[$0] }, place(callback.place))
        }
    }

    private mutating func callbacks(_ outline: TaskOutline, _ dag: YAMLValue) -> [DocumentCallback] {
        var reader = CallbackReader()
        reader.read(dag, outline)
        problems += reader.problems
        return reader.callbacks
    }
}
