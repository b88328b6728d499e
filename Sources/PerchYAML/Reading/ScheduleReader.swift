// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Reads when runs of a document's DAG are created.
struct ScheduleReader {
    /// Only by hand where something in it is wrong.
    private(set) var schedule = Schedule.manual
    private(set) var problems: [YAMLProblem] = []

    /// - Parameters:
    ///   - value: The schedule as it was read; nil: none.
    ///   - id: Of the DAG.
    init(_ value: YAMLValue?, of id: String) {
        guard let value else { return }
        var read = Self.schedule(value)
        var place = Self.source(value).place
        if read.problem == nil, let calendar = value["calendar"] {
            read = read.on(Self.calendar(calendar))
            place = calendar.place
        }
        if read.problem == nil, let jitter = value["jitter"]?.duration {
            read = read.jitter(jitter)
            place = Self.source(value).place
        }
        if let problem = read.problem { report("'schedule': \(problem)", at: place) }
        if value["after"]?.text == id {
            report("'schedule': each of its runs would start the next; '@continuous' does that", at: value.place)
        }
        if problems.isEmpty { schedule = read }
    }

    private mutating func report(_ message: String, at place: YAMLPlace) {
        problems.append(YAMLProblem(place: place, message: message))
    }

    /// The part of a schedule that says when.
    private static func source(_ value: YAMLValue) -> YAMLValue {
        value["cron"] ?? value["event"] ?? value["asset"] ?? value["all_assets"] ?? value["after"] ?? value
    }

    private static func schedule(_ value: YAMLValue) -> Schedule {
        let ticks = value["cron"].map { cron($0.elements.compactMap(\.text), zone: value["time_zone"]?.text ?? "UTC") }
        if let span = value["every"]?.duration { return .every(span) }
        let events: Schedule
        if let name = value["event"]?.text {
            do {
                let condition = try value["where"].map { try $0.json.decode(JSONCondition.self) }
                events = .event(
                    name, key: value["key"]?.text, where: condition, batch: value["batch"]?.integer,
                    within: value["within"]?.duration, dedupe: value["dedupe"]?.text,
                    params: Dictionary(
                        (value["event_params"]?.members ?? []).map { ($0.name, $0.value.text ?? "") }
                    ) { $1 })
            } catch {
                return .failing("the condition cannot be read: \(error)")
            }
        } else if let assets = value["asset"]?.elements {
            let names = assets.compactMap { $0["name"]?.text }
            // Of names alone each update starts a run of its own.
            events =
                names.count == assets.count
                ? .updates(of: names.map { Asset($0) }, .each) : .assets(Self.any(assets.map(expression)))
        } else if let assets = value["all_assets"]?.elements {
            events = assets.isEmpty ? .allUpdates(of: []) : .assets(.all(assets.map(expression)))
        } else if let dag = value["after"]?.text {
            let states = value["states"]?.elements.compactMap { $0.text.flatMap(RunState.init(rawValue:)) }
            events = .after(dag: dag, states: states ?? [.success])
        } else {
            return ticks ?? .manual
        }
        return ticks.map { events.or($0) } ?? events
    }

    private static func any(_ members: [AssetExpression]) -> AssetExpression {
        if let only = members.first, members.count == 1 { only } else { .any(members) }
    }

    private static func expression(_ value: YAMLValue) -> AssetExpression {
        if let members = value["all"]?.elements { return .all(members.map(expression)) }
        if let members = value["any"]?.elements { return .any(members.map(expression)) }
        return .asset(Asset(value["name"]?.text ?? ""))
    }

    private static func calendar(_ value: YAMLValue) -> DayCalendar {
        var calendar = DayCalendar()
        if let names = value["weekdays"]?.elements.compactMap(\.text) {
            calendar.weekdays = []
            for name in names {
                if name == "workdays" { calendar.weekdays.formUnion(DayCalendar.workdays().weekdays) }
                for (place, day) in DAGShapes.weekdays.enumerated() where name == day || name == day.prefix(3) {
                    if let weekday = DayCalendar.Weekday(rawValue: place) { calendar.weekdays.insert(weekday) }
                }
            }
        }
        calendar.except = value["except"]?.elements.compactMap(\.text) ?? []
        calendar.only = value["only"]?.elements.compactMap(\.text) ?? []
        return calendar
    }

    private static func cron(_ expressions: [String], zone: String) -> Schedule {
        if let only = expressions.first, expressions.count == 1 {
            if only == "none" { return .manual }
            if only.hasPrefix("@") { return .preset(only, timeZone: zone) }
        }
        return .cron(expressions.joined(separator: "; "), timeZone: zone)
    }
}
