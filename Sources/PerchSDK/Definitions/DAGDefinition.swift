// SPDX-License-Identifier: Apache-2.0

/// A DAG as data: what a bundle describes to the engine, what the metastore keeps as an immutable version.
///
/// It holds no code. `tasks` is in topological order: a task stands after everything that it comes after.
public struct DAGDefinition: Hashable, Sendable {
    public var dagID: String
    public var description: String
    public var tags: [String]
    public var schedule: ScheduleDefinition
    /// The first instant for which scheduled runs are created.
    public var start: Timestamp?
    /// The last instant for which scheduled runs are created.
    public var end: Timestamp?
    /// Whether runs that were missed are created, all of them, or only the latest.
    public var catchup: Bool
    public var maxActiveRuns: Int
    /// How long a run may be under way; nil: without limit.
    public var runTimeout: TimeSpan?
    /// Default values of the run's params.
    public var params: [String: JSONValue]
    public var tasks: [TaskDefinition]

    /// A DAG without tasks and with the field's defaults.
    public init(dagID: String, schedule: ScheduleDefinition = .none, tasks: [TaskDefinition] = []) {
        self.dagID = dagID
        self.description = ""
        self.tags = []
        self.schedule = schedule
        self.catchup = false
        self.maxActiveRuns = 16
        self.params = [:]
        self.tasks = tasks
    }
}

/// When runs of a DAG are created, as data.
public enum ScheduleDefinition: Hashable, Sendable {
    /// Only by hand.
    case none
    /// Once, as soon as the start is reached.
    case once
    /// A new run as soon as the last one has ended.
    case continuous
    /// At each tick of a five-field cron expression, or of several with semicolons between them, read on the wall clock of an
    /// IANA time zone.
    case cron(expression: String, timeZone: String)
    /// So far apart, counted from the DAG's start; without one, from 1970.
    case every(TimeSpan)
    /// By events of the inbox.
    case events(EventSchedule)
}
