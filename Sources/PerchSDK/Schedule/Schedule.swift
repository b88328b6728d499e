// SPDX-License-Identifier: Apache-2.0

/// When runs of a DAG are created, as it is written in a declaration: `.cron("0 6 * * *", timeZone: "Europe/Paris")`,
/// `.daily`, `"@hourly"`, `.manual`.
public struct Schedule: Sendable, Hashable, ExpressibleByStringLiteral {
    /// The schedule as data.
    public let definition: ScheduleDefinition
    /// What is wrong with it, in a sentence; nil where nothing is.
    public let problem: String?

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

    /// At each tick of a five-field cron expression, read on the wall clock of an IANA time zone.
    ///
    /// See `CronSchedule` for the rule at clock changes. What is wrong becomes a problem of the DAG.
    public static func cron(_ expression: String, timeZone: String = "UTC") -> Schedule {
        let definition = ScheduleDefinition.cron(expression: expression, timeZone: timeZone)
        do throws(PerchError) {
            _ = try CronSchedule(expression, timeZone: timeZone)
            return Schedule(definition)
        } catch {
            return Schedule(definition, problem: error.message)
        }
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
