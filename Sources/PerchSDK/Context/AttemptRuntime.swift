// SPDX-License-Identifier: Apache-2.0

/// What carries a task's code through one dispatch: `TaskContext` is its face. The bundle process implements it against
/// the engine, tests against memory.
public protocol AttemptRuntime: Sendable {
    /// Which attempt this is.
    var facts: AttemptFacts { get }
    /// Answers from the journal, or runs `body` and returns once its result is durably journalled. Both are JSON texts.
    func step(
        _ name: String, scope: [String], keepAcrossRetries: Bool, body: @Sendable () async throws -> String
    ) async throws -> String
    /// Answers from the journal, or records the wait and throws `Suspension`.
    func wait(_ name: String, scope: [String], for trigger: TriggerSpec, timeout: TimeSpan?) async throws -> WaitResult
    /// Adds a line to the attempt's log. Lines keep their order.
    func log(_ level: AttemptLogLevel, _ message: String)
    /// The engine's clock, for what the context journals; code never reads it directly.
    var now: Timestamp { get }
    /// The engine's generator, for what the context journals.
    func randomBits() -> UInt64
    /// A template was filled in. `result` is what people may see: stars stand in place of what is secret and of all that is
    /// a connection's.
    func rendered(_ template: String, as result: String)
    /// What runs when the task is cancelled; later handlers run first.
    func onKill(_ handler: @escaping @Sendable () async throws -> Void)
    /// What stands behind a connection's id; throws `PerchError` (`notFound`) where nothing does.
    func connection(_ id: String) async throws -> Connection
    /// A variable's value; throws `PerchError` (`notFound`) where there is none of that key.
    func variable(_ key: String) async throws -> String
    /// A variable with whether it is secret; throws `PerchError` (`notFound`) where there is none of that key.
    func variable(named key: String) async throws -> Variable
}

extension AttemptRuntime {
    /// No connection: of a runtime that has none.
    public func connection(_ id: String) async throws -> Connection {
        throw PerchError(.notFound, "there is no connection '\(id.shown(80))'")
    }

    /// No variable: of a runtime that has none.
    public func variable(_ key: String) async throws -> String {
        throw PerchError(.notFound, "there is no variable '\(key.shown(80))'")
    }

    /// Nobody is shown what templates become: of a runtime whose attempts nobody looks at later.
    public func rendered(_ template: String, as result: String) {}

    /// The variable of that key; secret where its key says so.
    public func variable(named key: String) async throws -> Variable {
        Variable(try await variable(key), isSecret: SensitiveName.holds(key))
    }
}

/// How a wait ended, as the task's code sees it.
public enum WaitResult: Sendable, Hashable {
    case event(JSONValue)
    case timeout
}

/// The levels of an attempt's log.
public enum AttemptLogLevel: String, Codable, Sendable, CaseIterable {
    case debug, info, warning, error
}

/// The names and dates of one attempt.
public struct AttemptFacts: Codable, Sendable, Hashable {
    public var dagID: String
    public var runID: String
    public var taskID: String
    /// -1 where the task is not mapped.
    public var mapIndex: Int
    /// From 1.
    public var tryNumber: Int
    public var logicalDate: Timestamp
    public var dataIntervalStart: Timestamp
    public var dataIntervalEnd: Timestamp
    /// The run's params over the DAG's defaults; an object.
    public var params: JSONValue
    public var runType: RunType
    /// Where what the attempt does belongs in a trace, as W3C `traceparent`; nil where nothing is traced.
    public var traceparent: String?
    /// The element of a mapped instance as JSON text; nil where the task is not mapped.
    package var mapElement: String?
    /// What is declared, for templates that name more of the DAG and the task than their ids; nil where nobody knows.
    package var dag: AttemptDAG?

    private enum CodingKeys: CodingKey {
        case dagID, runID, taskID, mapIndex, tryNumber, logicalDate, dataIntervalStart, dataIntervalEnd, params, runType
    }

    /// Facts from their parts.
    public init(
        dagID: String, runID: String, taskID: String, mapIndex: Int = -1, tryNumber: Int = 1, logicalDate: Timestamp,
        dataIntervalStart: Timestamp, dataIntervalEnd: Timestamp, params: JSONValue = .object([:]),
        runType: RunType = .manual
    ) {
        self.dagID = dagID
        self.runID = runID
        self.taskID = taskID
        self.mapIndex = mapIndex
        self.tryNumber = tryNumber
        self.logicalDate = logicalDate
        self.dataIntervalStart = dataIntervalStart
        self.dataIntervalEnd = dataIntervalEnd
        self.params = params
        self.runType = runType
    }
}

/// The DAG that an attempt belongs to. A class, so that handing it on costs nothing.
package final class AttemptDAG: Hashable, Sendable {
    package let definition: DAGDefinition

    package init(_ definition: DAGDefinition) { self.definition = definition }

    package static func == (left: AttemptDAG, right: AttemptDAG) -> Bool {
        left === right || left.definition == right.definition
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(definition.dagID) }
}
