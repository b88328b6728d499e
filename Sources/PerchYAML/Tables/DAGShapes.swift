// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// The keys of a DAG.
enum DAGShapes {
    static let dag = ObjectShape(
        name: "a DAG",
        fields: [
            Field(
                "id", .text, "letters, digits, '_', '.' and '-'; unique in the folder", required: true,
                others: ["dag_id", "name", "dag"]),
            Field("description", .text, "what it is for", others: ["doc_md", "doc"]),
            Field(
                "schedule", .object(schedule), "when runs are created; without it only by hand",
                others: ["schedule_interval", "timetable", "cron"]),
            Field(
                "start", .text, "the first instant for which scheduled runs are created: 2026-01-01, or RFC 3339",
                others: ["start_date"]),
            Field("end", .text, "the last such instant", others: ["end_date"]),
            Field("catchup", .flag, "whether runs that were missed are created, all of them; false"),
            Field("max_active_runs", .integer(Shapes.anyCount), "how many runs may be under way at once; 16"),
            Field(
                "max_active_tasks", .integer(Shapes.anyCount),
                "how many of its tasks may be queued or running at once, in all runs together", others: ["concurrency"]),
            Field(
                "run_timeout", .span(.positive), "how long a run may be under way, its waits included",
                others: ["dagrun_timeout"]),
            Field(
                "weight_rule", .choice(WeightRule.allCases.map(\.rawValue)),
                "whether the priorities of what comes before or after a task are added to its own; absolute: none"),
            Field(
                "versioning", .choice(DAGVersioning.allCases.map(\.rawValue)),
                "pinned: a run goes on with the version of the bundle with which its code began; current"),
            Field("tags", .oneOrMore(.text), "words by which it is found"),
            Field(
                "params", .dictionary(.marked(by: "type", ParamShapes.param, else: .any)),
                "the runs' params: default values, or types with bounds"),
            Field(
                "defaults", .object(defaults), "options for every task that does not give its own",
                others: ["default_args"]),
            Field("tasks", .list(.named("task")), "the tasks, and groups of them", required: true),
        ] + CallbackShapes.ofRuns.map(\.field) + [CallbackShapes.ofDeadlines])

    static let schedule = ObjectShape(
        name: "a schedule",
        fields: [
            Field("cron", .oneOrMore(.text), "five fields, or a preset such as @daily; or a list of them"),
            Field(
                "time_zone", .text, "the IANA name of the zone on whose wall clock cron ticks; UTC",
                others: ["timezone", "tz"]),
            Field(
                "every", .span(.positive), "so far apart, counted from the start", others: ["delta", "interval"]),
            Field("event", .text, "the name of an external event: each starts a run"),
            Field("key", .text, "the key of the event"),
            Field("where", .named("json_condition"), "what the payload of the event must meet"),
            Field("batch", .integer(1...1_000), "so many events start one run, with all of them"),
            Field("within", .span(.positive), "a batch that is not full so long after its first event starts its run"),
            Field("dedupe", .text, "the path in the payload of what there is one run for: $.order_id"),
            Field(
                "event_params", .dictionary(.text),
                "params of the run by name, with the paths in the payload from which they are taken"),
            Field(
                "jitter", .span(.notNegative),
                "runs of ticks are created up to so long after them, a DAG's always alike"),
            Field(
                "asset", .oneOrMore(.named("asset")),
                "a run for each update of one of these assets; with 'all' or 'any' in it, when that has come true",
                others: ["assets"]),
            Field(
                "all_assets", .list(.named("asset")),
                "a run when each of these assets has been updated since the last one"),
            Field(
                "calendar", .object(calendar), "the days on whose ticks runs are created; every day",
                others: ["holidays", "days"]),
            Field("after", .text, "a run for each run of this other DAG that ends"),
            Field("states", .oneOrMore(.choice(["success", "failed"])), "how the run of the other DAG ends; success"),
        ],
        short: "cron",
        rules: [
            .atLeastOne(["cron", "every", "event", "asset", "all_assets", "after"]),
            .atMostOne(["every", "event", "asset", "all_assets", "after"]),
            .excludes("every", ["cron"]), .needs("time_zone", ["cron"]), .needs("key", ["event"]),
            .needs("where", ["event"]), .needs("batch", ["event"]),
            .needs("dedupe", ["event"]), .needs("event_params", ["event"]), .excludes("batch", ["dedupe"]),
            .needs("within", ["batch"]),
            .needs("states", ["after"]),
        ])

    static let asset = ObjectShape(
        name: "an asset",
        fields: [
            Field("name", .text, "its name", others: ["uri"]),
            Field("all", .list(.named("asset")), "all of these", others: ["and"]),
            Field("any", .list(.named("asset")), "one of these", others: ["or"]),
        ],
        short: "name", rules: [.exactlyOne(["name", "all", "any"])],
        inPlaceOfList: "an asset's name, or {all: […]} or {any: […]}")

    static let calendar = ObjectShape(
        name: "a calendar",
        fields: [
            Field(
                "weekdays", .oneOrMore(.choice(["workdays"] + weekdays.flatMap { [$0, String($0.prefix(3))] })),
                "the days of the week that count, workdays for Monday to Friday; all of them",
                others: ["days", "days_of_week"]),
            Field(
                "except", .oneOrMore(.text), "dates that do not: 2026-12-25, or 12-25 for that of every year",
                others: ["holidays", "excluded"]),
            Field(
                "only", .oneOrMore(.text), "the only dates that count, written alike", others: ["dates"]),
        ],
        short: "weekdays", rules: [.atLeastOne(["weekdays", "except", "only"])])

    /// The days of the week, from Sunday on.
    static let weekdays = DayCalendar.Weekday.allCases.map { "\($0)" }

    static let defaults = ObjectShape(name: "defaults", fields: TaskShapes.options)
}
