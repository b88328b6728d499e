// SPDX-License-Identifier: Apache-2.0

/// A workflow: tasks, what comes after what, and when runs of it are created.
///
/// ```swift
/// DAG("daily_orders", schedule: .cron("0 6 * * *", timeZone: "Europe/Paris"), start: "2026-01-01") { dag in
///     let landed = dag.sensor("landed", .file("/data/in/{{ ds }}.csv"), timeout: .hours(6))
///     let rows = dag.task("parse", after: landed) { context in try parse(context.ds) }
///     dag.task("report", rows) { context, rows in print(rows.count) }
/// }
/// ```
public struct DAG: Sendable {
    /// The DAG as data; its tasks in topological order, in the order of declaration where that leaves a choice.
    public let definition: DAGDefinition
    /// The code of each task, aligned with `definition.tasks`; nil for sensors.
    public let code: [TaskCode?]
    /// Everything that is wrong with the declaration; a bundle with problems is refused.
    public let problems: [DeclarationProblem]
    /// The trigger types of its sensors whose code the bundle hosts.
    let asyncTriggers: [any AsyncTrigger.Type]
    /// The code that tells when its runs are created; nil where the definition says it.
    package let timetable: (any Timetable)?
    package let place: DeclarationPlace
    /// Nil: nobody knows.
    package var source: DAGSource?

    /// Declares a DAG. Nothing runs but `build`, and nothing traps: mistakes are collected in `problems`.
    ///
    /// - Parameters:
    ///   - id: Letters, digits, `_`, `.` and `-`; at most 250 of them; unique in the bundle.
    ///   - schedule: When runs are created.
    ///   - start: The first instant for which scheduled runs are created: RFC 3339, or a date, which means midnight in
    ///     the schedule's time zone. Nil: from now on.
    ///   - end: The last such instant, written alike.
    ///   - catchup: Whether runs that were missed are created, all of them, or only the latest.
    ///   - maxActiveRuns: How many runs may be under way at once.
    ///   - maxActiveTasks: How many of its tasks may be queued or running at once, in all runs together; what waits does
    ///     not count. Nil: as many as pools and workers have room for.
    ///   - weightRule: How priorities in the queue follow from those of the tasks.
    ///   - runTimeout: How long a run may be under way, its waits included; then it is cancelled, and has failed. Nil:
    ///     without limit.
    ///   - versioning: With which version of a deployed bundle the code of a run goes on after a deploy.
    ///   - params: What runs may be given: default values, or types; see `Param`.
    ///   - defaults: Options for every task of the DAG that does not give its own.
    ///   - path: The file whose text is shown as that of the DAG, where it is there when the bundle starts.
    public init(
        _ id: String, schedule: Schedule = .manual, start: String? = nil, end: String? = nil, catchup: Bool = false,
        maxActiveRuns: Int = 16, maxActiveTasks: Int? = nil, weightRule: WeightRule = .absolute,
        runTimeout: Duration? = nil, versioning: DAGVersioning = .current,
        params: [String: Param] = [:], description: String = "", tags: [String] = [],
        defaults: TaskOptions = TaskOptions(), file: String = #fileID, line: Int = #line, path: String = #filePath,
        build: (borrowing DAGBuilder) -> Void
    ) {
        self.init(
            id, schedule: schedule, start: start, end: end, catchup: catchup, maxActiveRuns: maxActiveRuns,
            maxActiveTasks: maxActiveTasks, weightRule: weightRule, runTimeout: runTimeout,
            versioning: versioning, params: params, description: description, tags: tags,
            defaults: defaults, place: DeclarationPlace(file, line), build: build)
        source = .file(path)
    }

    /// Declares a DAG at a place that a reader of documents knows.
    package init(
        _ id: String, schedule: Schedule, start: String?, end: String?, catchup: Bool, maxActiveRuns: Int,
        maxActiveTasks: Int?, weightRule: WeightRule, runTimeout: Duration?, versioning: DAGVersioning,
        params: [String: Param], description: String, tags: [String],
        defaults: TaskOptions, place: DeclarationPlace, build: (borrowing DAGBuilder) -> Void
    ) {
        self.place = place
        let draft = DAGDraft(place: place, defaults: defaults)
        build(DAGBuilder(draft: draft))

        var definition = DAGDefinition(dagID: id, schedule: schedule.definition)
        definition.calendar = schedule.calendar
        definition.jitter = schedule.jitter
        definition.description = description
        definition.tags = tags
        definition.catchup = catchup
        definition.maxActiveRuns = maxActiveRuns
        definition.runTimeout = runTimeout.map { TimeSpan($0) }
        definition.versioning = versioning
        definition.params = params.compactMapValues(\.value)
        definition.paramSchemas = params.compactMapValues(\.schema)

        var found: [DeclarationProblem] = []
        for problem in definition.paramProblems { found.append(place.problem("DAG '\(id)': \(problem.message)")) }
        if let problem = IDRule.problem(of: id, what: "DAG id") { found.append(place.problem(problem)) }
        if let problem = schedule.problem { found.append(place.problem("DAG '\(id)': \(problem)")) }
        if case .events(let events) = schedule.definition,
            events.patterns.contains(where: { $0.name == EventPattern.runEndName && $0.key == id })
        {
            found.append(place.problem("DAG '\(id)': each of its runs would start the next; '@continuous' does that"))
        }
        if case .events(let events) = schedule.definition {
            for name in Set(events.patterns.flatMap(\.params.keys)).sorted() where params[name] == nil {
                let near = NearestName.of(name, among: Array(params.keys)).map { "; did you mean '\($0)'?" } ?? ""
                found.append(
                    place.problem(
                        "DAG '\(id)': its events give the param '\(name.shown())', which it does not have\(near)"))
            }
        }
        if maxActiveRuns < 1 {
            found.append(place.problem("DAG '\(id)': maxActiveRuns is \(maxActiveRuns); it is a number from 1"))
        }
        if let runTimeout, runTimeout <= .zero {
            found.append(place.problem("DAG '\(id)': runTimeout is \(runTimeout); it is a duration above 0"))
        }
        for problem in defaults.problems { found.append(place.problem("DAG '\(id)': defaults: \(problem)")) }
        let zone = schedule.problem == nil ? schedule.definition.timeZone : "UTC"
        do throws(PerchError) {
            if let start { definition.start = try Self.instant(start, zone: zone, "start") }
            if let end { definition.end = try Self.instant(end, zone: zone, "end") }
            if let start = definition.start, let end = definition.end, end < start {
                found.append(place.problem("DAG '\(id)': its end (\(end)) is before its start (\(start))"))
            }
        } catch {
            found.append(place.problem("DAG '\(id)': \(error.message)"))
        }

        let finished = draft.finish(dagID: id)
        definition.tasks = finished.tasks
        if weightRule != .absolute, definition.tasks.count > WeightRule.mostTasks {
            found.append(
                place.problem("DAG '\(id)': weightRule is for \(WeightRule.mostTasks) tasks at most; use .absolute"))
        } else {
            weightRule.apply(to: &definition.tasks)
        }
        if let maxActiveTasks {
            let limit = ConcurrencyLimit(name: "dag:\(id)", slots: maxActiveTasks)
            if let problem = limit.problem { found.append(place.problem("DAG '\(id)': maxActiveTasks: \(problem)")) }
            for index in definition.tasks.indices {
                guard case .code = definition.tasks[index].kind, definition.tasks[index].callback == nil else {
                    continue
                }
                definition.tasks[index].limits.append(limit)
            }
        }
        self.definition = definition
        timetable = schedule.timetable
        source = nil
        code = finished.code
        problems = found + finished.problems
        asyncTriggers = draft.asyncTriggers
    }

    /// A DAG of parts that were declared before: for running a piece of one alone.
    package init(definition: DAGDefinition, code: [TaskCode?], of dag: DAG? = nil) {
        self.definition = definition
        self.code = code
        problems = []
        asyncTriggers = dag?.asyncTriggers ?? []
        timetable = dag?.timetable
        place = DeclarationPlace("", 0)
        source = nil
    }

    /// Everything that is wrong with the DAGs of one bundle: the problems of each, and DAG ids that stand twice.
    public static func problems(in dags: [DAG]) -> [DeclarationProblem] {
        var found: [DeclarationProblem] = []
        var first: [String: DeclarationPlace] = [:]
        for dag in dags {
            let id = dag.definition.dagID
            found += dag.problems
            if let earlier = first[id] {
                found.append(
                    dag.place.problem(
                        "the DAG id '\(id)' is taken by \(earlier.file):\(earlier.line); DAG ids are unique in a bundle"
                    ))
            } else {
                first[id] = dag.place
            }
        }
        return found
    }

    private static func instant(_ text: String, zone: String, _ field: String) throws(PerchError) -> Timestamp {
        do throws(PerchError) {
            return try Timestamp(parsing: text, dateIn: zone)
        } catch {
            throw PerchError(.invalid, "\(field): \(error.message)")
        }
    }
}

/// What ids may look like: they stand in paths, in keys and on command lines.
package enum IDRule {
    package static func problem(of id: String, what: String) -> String? {
        if id.isEmpty { return "the \(what) is empty" }
        if id == "." || id == ".." { return "the \(what) '\(id)' names a directory; choose another" }
        if id.utf8.count > 250 {
            return "the \(what) '\(id.shown(40))' is \(id.utf8.count) bytes long; at most 250 are allowed"
        }
        for scalar in id.unicodeScalars where !isAllowed(scalar) {
            let shown = scalar.isASCII && scalar.value > 0x20 && scalar.value < 0x7F
            let name = shown ? "'\(scalar)'" : "U+\(String(scalar.value, radix: 16, uppercase: true))"
            return "the \(what) '\(id.shown())' holds \(name); allowed are A-Z a-z 0-9 _ . -"
        }
        return nil
    }

    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "A"..."Z", "a"..."z", "0"..."9", "_", ".", "-": true
        default: false
        }
    }
}
