// SPDX-License-Identifier: Apache-2.0

/// What a task's code holds while it runs: its names and dates, its log, its steps and its waits.
///
/// The code of a task runs again from the top after every wait. What it did through `step` is not done again, and a wait
/// that is over answers at once: both come from the journal of the try. Everything else is repeated, so side effects
/// belong into steps.
public struct TaskContext: Sendable {
    /// The machinery behind it.
    public let runtime: any AttemptRuntime
    /// The scope in which names of steps and waits are counted.
    let path: [String]
    let counter: StepCounter

    /// A context on a runtime; for hosts and tests. One for each dispatch: it counts the steps.
    public init(runtime: any AttemptRuntime) {
        self.runtime = runtime
        path = []
        counter = StepCounter()
    }

    private init(runtime: any AttemptRuntime, path: [String], counter: StepCounter) {
        self.runtime = runtime
        self.path = path
        self.counter = counter
    }

    /// A context whose steps and waits are counted apart: for what runs side by side, or over the items of a list.
    ///
    /// ```swift
    /// for order in orders {
    ///     try await context.scope(order.id).step("charge") { try await charge(order) }
    /// }
    /// ```
    public func scope(_ key: String) -> TaskContext {
        TaskContext(runtime: runtime, path: path + [JournalName.escaped(key)], counter: counter)
    }
}

// MARK: Names and dates
extension TaskContext {
    /// The DAG's id.
    public var dagID: String { runtime.facts.dagID }
    /// The run's id, unique in its DAG.
    public var runID: String { runtime.facts.runID }
    /// The task's id.
    public var taskID: String { runtime.facts.taskID }
    /// Which element of a mapped task this is, from 0; -1 where the task is not mapped.
    public var mapIndex: Int { runtime.facts.mapIndex }
    /// Which try this is, from 1.
    public var tryNumber: Int { runtime.facts.tryNumber }
    /// The instant that the run stands for: of a scheduled run the tick at which it was due.
    public var logicalDate: Timestamp { runtime.facts.logicalDate }
    /// The start of the time that the run covers: of a scheduled run the tick before its own.
    public var dataIntervalStart: Timestamp { runtime.facts.dataIntervalStart }
    /// The end of the time that the run covers.
    public var dataIntervalEnd: Timestamp { runtime.facts.dataIntervalEnd }
    /// The logical date as a date in UTC: `2026-01-01`.
    public var ds: String { logicalDate.dateText }
    /// The logical date in RFC 3339: `2026-01-01T06:00:00Z`.
    public var ts: String { logicalDate.description }

    /// Where what the task does belongs in a trace, as the header `traceparent` of W3C Trace Context; the same in every dispatch
    /// of a try. Nil where nothing is traced.
    public var traceparent: String? { runtime.facts.traceparent }

    /// The run's params, over the DAG's defaults: an object.
    public var params: JSONValue { runtime.facts.params }

    /// One of the run's params; `a.b` goes into objects.
    /// - Throws: `PerchError`: `notFound` where the run has no such param, `invalid` where it is of another type.
    public func param<Value: Decodable>(_ name: String, as type: Value.Type = Value.self) throws -> Value {
        guard let value = lookUp(name) else {
            throw PerchError(.notFound, "the run has no param '\(name)'; give it a default in the DAG's params")
        }
        do {
            return try value.decode(type)
        } catch {
            throw PerchError(.invalid, "the param '\(name)' is \(value.text), wanted was \(type): \(error)")
        }
    }

    /// One of the run's params, or another value where the run has none of that name.
    public func param<Value: Decodable>(_ name: String, default other: @autoclosure () -> Value) throws -> Value {
        lookUp(name) == nil ? other() : try param(name, as: Value.self)
    }

    private func lookUp(_ name: String) -> JSONValue? {
        name.split(separator: ".", omittingEmptySubsequences: false).reduce(Optional(params)) { $0?[String($1)] }
    }

    /// A string with its templates filled in: `{{ ds }}`, `{{ params.region }}`, `{{ conn.orders.host }}`, ….
    ///
    /// Variables and connections are looked up as `variable` and `connection` do it.
    /// - Throws: `PerchError` (`invalid`) with line and column of what does not resolve.
    public func render(_ template: String) async throws -> String {
        try await render(template, to: .memory)
    }

    /// A string for a process's arguments, which every user of the machine can read, with its templates filled in.
    /// - Throws: `PerchError` (`invalid`) with line and column of what does not resolve, and of what is secret.
    public func renderArgument(_ template: String) async throws -> String {
        try await render(template, to: .argument)
    }

    /// A document with the templates of every string in it filled in.
    package func render(_ document: JSONValue) async throws -> JSONValue {
        guard document.holdsTemplates else { return document }
        let scope = TemplateScope(runtime.facts)
        var last = scope
        let result = try await scope.filled(by: runtime) { scope in
            last = scope
            return try document.rendered(with: scope)
        }
        tell(document, result, last)
        return result
    }

    private func render(_ text: String, to place: RenderedPlace) async throws -> String {
        let template = try Template(text)
        guard Template.hasBraces(text) else { return text }
        let scope = TemplateScope(runtime.facts).rendering(to: place)
        var last = scope
        let result = try await scope.filled(by: runtime) { scope in
            last = scope
            return try template.render(scope)
        }
        runtime.rendered(text, as: last.shown(text, rendered: result))
        return result
    }

    /// Tells the runtime what the strings of a document have become.
    private func tell(_ document: JSONValue, _ result: JSONValue, _ scope: TemplateScope) {
        switch (document, result) {
        case (.string(let text), .string(let filled)) where Template.hasBraces(text):
            runtime.rendered(text, as: scope.shown(text, rendered: filled))
        case (.array(let elements), .array(let filled)):
            for (element, value) in zip(elements, filled) { tell(element, value, scope) }
        case (.object(let members), .object(let filled)):
            for (name, member) in members.sorted(by: { $0.key < $1.key }) {
                if let value = filled[name] { tell(member, value, scope) }
            }
        default: break
        }
    }

    /// The attempt's log.
    public var log: TaskLog { TaskLog(runtime: runtime) }

    /// Registers what has to run when the task is cancelled; what was registered later runs first.
    ///
    /// While the code runs, this is all. For a cancel that comes while the task waits, the engine must know beforehand
    /// that there is something to run: `static var hasOnKill` of an operator, `hasOnKill:` or `onKill:` of `dag.task`.
    public func onKill(_ handler: @escaping @Sendable () async throws -> Void) {
        runtime.onKill(handler)
    }
}
