// SPDX-License-Identifier: Apache-2.0

/// When runs of a DAG are created, as it is written in a declaration: `.cron("0 6 * * *", timeZone: "Europe/Paris")`,
/// `.daily`, `"@hourly"`, `.manual`.
public struct Schedule: Sendable, Hashable, ExpressibleByStringLiteral {
    /// The schedule as data.
    public let definition: ScheduleDefinition
    /// What is wrong with it, in a sentence; nil where nothing is.
    public private(set) var problem: String?
    /// The days on whose ticks runs are created; nil: every day.
    public private(set) var calendar: DayCalendar?
    /// Runs are created up to so long after their ticks; nil: at them.
    public private(set) var jitter: TimeSpan?
    /// The code that tells its ticks; nil where it needs none.
    private var code: TimetableCode?
    package var timetable: (any Timetable)? { code?.timetable }

    private init(_ definition: ScheduleDefinition, problem: String? = nil) {
        self.definition = definition
        self.problem = problem
    }

    /// Only by hand.
    public static let manual = Schedule(.none)
    /// Only by hand: the field's name for `manual`.
    public static let none = Schedule(.none)
    /// Once, as soon as the start is reached.
    public static let once = Schedule(.once)
    /// A new run as soon as the last one has ended.
    public static let continuous = Schedule(.continuous)
    /// At minute 0 of every hour.
    public static let hourly = preset("@hourly")
    /// At midnight.
    public static let daily = preset("@daily")
    /// At midnight to Sunday.
    public static let weekly = preset("@weekly")
    /// At midnight to the first of every month.
    public static let monthly = preset("@monthly")
    /// At midnight to the first of January, April, July and October.
    public static let quarterly = preset("@quarterly")
    /// At midnight to the first of January.
    public static let yearly = preset("@yearly")

    /// At each tick of a cron expression (see `CronExpression`), or of each of several, read on the wall clock of an IANA time zone.
    ///
    /// See `CronSchedule` for the rule at clock changes. What is wrong becomes a problem of the DAG.
    public static func cron(_ expressions: String..., timeZone: String = "UTC") -> Schedule {
        let definition = ScheduleDefinition.cron(
            expression: expressions.joined(separator: "; "), timeZone: timeZone)
        do throws(PerchError) {
            _ = try definition.ticks(from: nil)
            return Schedule(definition)
        } catch {
            return Schedule(definition, problem: error.message)
        }
    }

    /// So far apart, counted from the DAG's start; without one, from 1970, so that `.every(.hours(6))` is at 0, 6, 12 and 18
    /// o'clock UTC. A second at least. Clock changes do not move it.
    public static func every(_ span: Duration) -> Schedule {
        let span = TimeSpan(span)
        guard span >= ScheduleDefinition.shortest else {
            return Schedule(.none, problem: "runs are created every \(span); it is every second at most")
        }
        return Schedule(.every(span))
    }

    /// At the ticks that code tells; see `Timetable`.
    public static func timetable(_ timetable: some Timetable) -> Schedule {
        let summary = timetable.summary
        var schedule = Schedule(
            .timetable(summary),
            problem: summary.isEmpty || summary.utf8.count > 200 || summary.contains(where: \.isNewline)
                ? "the summary of a timetable is a line of 1 to 200 bytes, not '\(summary.shown(200))'" : nil)
        schedule.code = TimetableCode(timetable)
        return schedule
    }

    /// A run for each external event of a name, one for each event id. Events from before the DAG was deployed start
    /// none, nor do events that come while it is paused; `events show` says so.
    ///
    /// The run's params have the event: `{{ params.event.payload.total }}`, and `context.startingEvent()` in code.
    ///
    /// - Parameters:
    ///   - name: The event's name.
    ///   - key: The event's key; nil: any.
    ///   - condition: What its payload must meet: `.json("$.total", .greaterThan(100))`.
    ///   - batch: So many of them start one run, with all of them: `context.startingEvents()`.
    ///   - within: A batch that is not full so long after its first event starts its run all the same.
    ///   - dedupe: A path in the payload, `"$.order_id"`: one run for each value there, which ends the run's id. As long as that
    ///     run is kept, another event with the value starts none.
    ///   - params: Params of the run by name, with the paths in the payload from which they are taken: `["order": "$.id"]`. The
    ///     DAG's `params:` say of what type they are; an event whose payload does not fit starts no run, and `events show` says
    ///     why. What the payload does not have is left to the default. Of a batch, the last event gives them.
    public static func event(
        _ name: String, key: String? = nil, where condition: JSONCondition? = nil, batch: Int? = nil,
        within: Duration? = nil, dedupe: String? = nil, params: [String: String] = [:]
    ) -> Schedule {
        if batch == nil, within != nil {
            return Schedule(.none, problem: "'within' bounds a batch of events, and 'batch' says of how many")
        }
        do {
            let coded = try condition.map { try JSONValue(encoding: $0) }
            let pattern = EventPattern(name: name, key: key, condition: coded, dedupe: dedupe, params: params)
            let gathering = batch.map { EventSchedule.Gathering.batch(count: $0, within: within.map(TimeSpan.init)) }
            return events(EventSchedule([pattern], gathering: gathering ?? .each))
        } catch {
            return Schedule(.none, problem: "the condition on the event '\(name.shown())' cannot be written: \(error)")
        }
    }

    /// A run for each update of one of these assets: by a task that has it among its `outlets:`, or from outside by
    /// `events emit asset --key NAME`.
    public static func asset(_ assets: Asset...) -> Schedule { updates(of: assets, .each) }

    /// A run when each of these assets has been updated since the last one.
    public static func allAssets(_ assets: Asset...) -> Schedule { allUpdates(of: assets) }

    /// A run when such of the assets as are asked for have been updated since the last one:
    /// `.assets("orders" & ("rates" | "rates-fallback"))`.
    public static func assets(_ expression: AssetExpression) -> Schedule {
        let (assets, expression) = expression.parts
        return updates(of: assets, .when(expression))
    }

    /// A run for each run of another DAG that ends so.
    public static func after(dag dagID: String, states: [RunState] = [.success]) -> Schedule {
        let ended = Set(states.filter(\.isFinished))
        if ended.isEmpty { return Schedule(.none, problem: "a run ends as success or failed") }
        let condition: JSONCondition? =
            ended.count == 2 ? nil : .json("$.state", in: ended.map { .string($0.rawValue) })
        let schedule = event(EventPattern.runEndName, key: dagID, where: condition)
        let problem = IDRule.problem(of: dagID, what: "DAG id")
        return problem.map { Schedule(schedule.definition, problem: $0) } ?? schedule
    }

    /// Runs at the ticks of a cron schedule beside those that events start: `.asset("a").or(.daily)`.
    public func or(_ ticks: Schedule) -> Schedule {
        if problem != nil { return self }
        guard case .events(var events) = definition, events.ticks == nil,
            case .cron(let expression, let zone) = ticks.definition
        else {
            return Schedule(definition, problem: "a schedule of events goes with one of cron: .asset(\"a\").or(.daily)")
        }
        events.ticks = .init(expression: expression, timeZone: zone)
        return Schedule(.events(events), problem: ticks.problem)
    }

    /// Only on the days of a calendar, on the wall clock of the schedule's time zone: ticks of other days are left out.
    ///
    /// ```swift
    /// .cron("0 6 * * *", timeZone: "Europe/Paris").on(.workdays(except: "05-01", "12-25", "2026-04-06"))
    /// ```
    public func on(_ calendar: DayCalendar) -> Schedule {
        var schedule = self
        schedule.calendar = calendar
        if schedule.problem == nil { schedule.problem = calendar.problem ?? tickless("a calendar") }
        if schedule.problem == nil, code != nil {
            schedule.problem = "a timetable in code says its days itself; it takes no calendar"
        }
        return schedule
    }

    /// Creates runs up to so long after their ticks, so that many DAGs of one schedule do not begin at once. A DAG's runs
    /// come always by the same time after their ticks; their logical dates are the ticks.
    public func jitter(_ span: Duration) -> Schedule {
        var schedule = self
        schedule.jitter = TimeSpan(span)
        if schedule.problem == nil {
            schedule.problem = span < .zero ? "the jitter is \(span); it is a duration from 0" : tickless("a jitter")
        }
        return schedule
    }

    private func tickless(_ what: String) -> String? {
        switch definition {
        case .cron, .every, .timetable: nil
        case .events(let events) where events.ticks != nil: nil
        case .none, .once, .continuous, .events: "\(what) is for schedules that create runs by time"
        }
    }

    package static func updates(of assets: [Asset], _ gathering: EventSchedule.Gathering) -> Schedule {
        if assets.isEmpty { return Schedule(.none, problem: "the schedule names no asset") }
        let patterns = assets.map { EventPattern(name: Asset.eventName, key: $0.name) }
        let schedule = events(EventSchedule(patterns, gathering: gathering))
        return assets.compactMap(\.problem).first.map { Schedule(schedule.definition, problem: $0) } ?? schedule
    }

    package static func allUpdates(of assets: [Asset]) -> Schedule {
        updates(of: assets, .when(.all(assets.indices.map { .pattern($0) })))
    }

    /// Code by its identity: schedules are compared.
    private final class TimetableCode: Sendable, Hashable {
        let timetable: any Timetable
        init(_ timetable: any Timetable) { self.timetable = timetable }
        static func == (left: TimetableCode, right: TimetableCode) -> Bool { left === right }
        func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
    }

    /// A schedule that cannot be read.
    package static func failing(_ problem: String) -> Schedule { Schedule(.none, problem: problem) }

    private static func events(_ events: EventSchedule) -> Schedule {
        Schedule(.events(events), problem: events.problem)
    }

    /// A schedule by the field's name for it: `@daily`, `@once`, ….
    public static func preset(_ name: String, timeZone: String = "UTC") -> Schedule {
        switch name {
        case "@once": return once
        case "@continuous": return continuous
        case "@none": return manual
        default: break
        }
        if let expression = CronExpression.presets.first(where: { $0.name == name })?.expression {
            return cron(expression, timeZone: timeZone)
        }
        let known = ["@once", "@continuous"] + CronExpression.presets.map(\.name)
        return Schedule(
            .none, problem: "unknown preset '\(name.shown(40))'; there are \(known.joined(separator: ", "))")
    }

    /// A preset (`"@daily"`) or a cron expression in UTC.
    public init(stringLiteral text: String) {
        self = text.hasPrefix("@") ? .preset(text) : .cron(text)
    }
}
