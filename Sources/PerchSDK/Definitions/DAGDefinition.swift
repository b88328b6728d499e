// SPDX-License-Identifier: Apache-2.0

/// A DAG as data: what a bundle describes to the engine, what the metastore keeps as an immutable version.
///
/// It holds no code. `tasks` is in topological order: a task stands after everything that it comes after.
public struct DAGDefinition: Hashable, Sendable {
    public var dagID: String
    public var description: String
    public var tags: [String]
    public var schedule: ScheduleDefinition
    /// The days on whose ticks runs are created; nil: every day.
    public var calendar: DayCalendar?
    /// Runs are created up to so long after their ticks, those of one DAG always by the same time; nil: at them.
    public var jitter: TimeSpan?
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
    /// What they may be; a param that is not here may be anything.
    public var paramSchemas: [String: ParamSchema]
    /// With which version of the bundle what has begun goes on.
    public var versioning: DAGVersioning
    public var tasks: [TaskDefinition]
    /// Whether it is being tried out, as templates see it in `test_mode`.
    package var isTest = false

    /// A DAG without tasks and with the field's defaults.
    public init(dagID: String, schedule: ScheduleDefinition = .none, tasks: [TaskDefinition] = []) {
        self.dagID = dagID
        self.description = ""
        self.tags = []
        self.schedule = schedule
        self.catchup = false
        self.maxActiveRuns = 16
        self.params = [:]
        self.paramSchemas = [:]
        self.versioning = .current
        self.tasks = tasks
    }
}

extension DAGDefinition {
    /// The instants for which runs are created by time; nil where they are created otherwise, or not at all, or where code
    /// tells them.
    /// - Throws: `PerchError` (`invalid`) for a wrong expression, an unknown zone or a calendar without days.
    public func ticks() throws(PerchError) -> ScheduleTicks? {
        guard let ticks = try schedule.ticks(from: start) else { return nil }
        guard let calendar else { return ticks }
        if let problem = calendar.problem { throw PerchError(.invalid, problem) }
        return .on(calendar, try CronSchedule("0 0 * * *", timeZone: schedule.timeZone), ticks)
    }

    /// How long after their ticks runs are created.
    public var tickDelay: TimeSpan {
        guard let jitter, jitter.microseconds > 0 else { return TimeSpan(microseconds: 0) }
        var hash = StableHash()
        hash.combine(dagID)
        return TimeSpan(microseconds: Int64(hash.value % UInt64(jitter.microseconds)))
    }
}

/// With which version of a deployed bundle the code of a run goes on.
public enum DAGVersioning: String, Sendable, Hashable, CaseIterable {
    /// With the one in use: a task that has slept goes on with the code that there is by then.
    case current
    /// With the one with which the first code of the run began, as long as `bundles deploy` keeps it. Its directory stays
    /// while such a run is under way.
    case pinned
}

/// When runs of a DAG are created, as data.
public enum ScheduleDefinition: Hashable, Sendable {
    /// Only by hand.
    case none
    /// Once, as soon as the start is reached.
    case once
    /// A new run as soon as the last one has ended.
    case continuous
    /// At each tick of a cron expression, or of several with semicolons between them, read on the wall clock of an
    /// IANA time zone.
    case cron(expression: String, timeZone: String)
    /// So far apart, counted from the DAG's start; without one, from 1970.
    case every(TimeSpan)
    /// At ticks that code of the bundle tells; its summary.
    case timetable(String)
    /// By events of the inbox.
    case events(EventSchedule)
}
