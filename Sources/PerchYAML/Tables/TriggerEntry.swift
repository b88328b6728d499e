// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK
internal import PerchTriggersApproval
internal import PerchTriggersComposite
internal import PerchTriggersEvent
internal import PerchTriggersFile
internal import PerchTriggersHTTP
internal import PerchTriggersProcess
internal import PerchTriggersRun
internal import PerchTriggersSQL
internal import PerchTriggersSocket
internal import PerchTriggersTime

/// A wait as files name it, and how its trigger is made. Kinds have the names under which they are stored and listed.
struct TriggerEntry: Sendable {
    var name: String
    var summary: String
    var others: [String] = []
    var shape: ObjectShape
    /// Makes the trigger of a value that has the shape.
    var make: @Sendable (YAMLValue) throws -> any Trigger

    /// A kind whose stored form has the same keys.
    static func stored<T: Trigger>(
        _ name: String, _ type: T.Type, _ summary: String, others: [String] = [], shape: ObjectShape
    ) -> TriggerEntry {
        TriggerEntry(name: name, summary: summary, others: others, shape: shape) { try $0.json.decode(type) }
    }
}

/// Every wait that files can name, but those that are made of others.
enum Triggers {
    static let single: [TriggerEntry] = [
        time, file, http, stream, event, asset, run, process, socket, certificate, sql, approval,
    ]

    private static let headers = Field(
        "headers", .dictionary(.object(header)), "headers: texts, or secrets by reference")

    private static let header = ObjectShape(
        name: "a header",
        fields: [
            Field("text", .template, "what it is"),
            Field(
                "secret", .text,
                "a secret by its name, as PERCH_SECRET_<name> of the triggerer; or conn:ID.password, var:KEY"),
            Field("environment", .text, "an environment variable of the triggerer"),
            Field("prefix", .text, "what stands before the secret, as 'Bearer '"),
        ],
        short: "text",
        rules: [.exactlyOne(["text", "secret", "environment"]), .excludes("text", ["prefix"])])

    /// Texts stand for themselves in the stored form.
    private static func request(_ value: YAMLValue) -> JSONValue {
        guard case .object(var members) = value.json, case .object(let headers)? = members["headers"] else {
            return value.json
        }
        members["headers"] = .object(headers.mapValues { $0["text"] ?? $0 })
        return .object(members)
    }

    private static let proxy = Field("proxy", .template, "the proxy by which requests go: http://host:port")
    private static let authority = Field(
        "ca", .template, "the path of a PEM file with the authorities that vouch for the server")

    private static let time = TriggerEntry(
        name: "time", summary: "an instant, a length of time, or a time of day",
        shape: ObjectShape(
            name: "a wait for time",
            fields: [
                Field("at", .template, "an instant as RFC 3339, or a template that becomes one"),
                Field("after", .span(.notNegative), "so long after the wait has begun", others: ["delta"]),
                Field("cron", .template, "the next tick of a cron expression"),
                Field(
                    "time_zone", .template, "the IANA name of the zone of cron; UTC", others: ["timezone", "tz"]),
                Field("within", .object(window), "a window of the day"),
            ],
            rules: [.exactlyOne(["at", "after", "cron", "within"]), .needs("time_zone", ["cron"])])
    ) { value in
        if let text = value["at"]?.text { return TimeTrigger(.at(text)) }
        if let span = value["after"]?.span { return TimeTrigger(.after(span)) }
        if let cron = value["cron"]?.text {
            return TimeTrigger(.tick(cron: cron, timeZone: value["time_zone"]?.text ?? "UTC"))
        }
        let window = value["within"]
        return TimeTrigger(
            .within(
                TimeWindow(
                    opens: window?["opens"]?.text ?? "", closes: window?["closes"]?.text ?? "",
                    days: window?["days"]?.text ?? "*", timeZone: window?["time_zone"]?.text ?? "UTC")))
    }

    private static let window = ObjectShape(
        name: "a window",
        fields: [
            Field("opens", .template, "when it opens, as '22:00'", required: true),
            Field("closes", .template, "when it closes, as '06:00'", required: true),
            Field("days", .template, "on which days it opens, as MON-FRI; every day"),
            Field("time_zone", .template, "the IANA name of the zone; UTC", others: ["timezone", "tz"]),
        ])

    private static let file = TriggerEntry.stored(
        "file", FileTrigger.self, "a file, or many, that are there, gone or changed",
        shape: ObjectShape(
            name: "a wait for a file",
            fields: [
                Field(
                    "path", .template, "absolute; *, ? and […] match as in a shell", required: true,
                    others: ["filepath", "file"]),
                Field("stable_for", .span(.notNegative), "how long size and modification time must stay the same"),
                Field("minimum_size", .integer(0 ... .max), "the least size in bytes", others: ["min_size"]),
                Field("until", .choice(FileTrigger.Until.allCases.map(\.rawValue)), "what is waited for; there"),
                Field("at_least", .integer(1...10_000), "how many files must match; 1"),
            ],
            short: "path"))

    private static let http = TriggerEntry(
        name: "http", summary: "the answer of a URL",
        shape: ObjectShape(
            name: "a wait for an answer",
            fields: [
                Field("url", .template, "http or https", required: true, others: ["endpoint"]),
                Field(
                    "every", .span(.positive), "the time from one probe to the next; 1m",
                    others: ["poke_interval", "interval"]),
                Field("slowest", .span(.positive), "the time to which that grows while answers stay the same"),
                Field("until", .named("http_condition"), "what ends the wait; a status from 200 to 299"),
                Field("method", .text, "GET"), headers, Field("body", .template, "what is sent"),
                Field("timeout", .span(.positive), "how long one probe may take; 10s"), proxy, authority,
            ],
            short: "url")
    ) { try request($0).decode(HTTPTrigger.self) }

    private static let stream = TriggerEntry(
        name: "sse", summary: "an event of a text/event-stream", others: ["stream"],
        shape: ObjectShape(
            name: "a wait for a stream",
            fields: [
                Field("url", .template, "http or https", required: true),
                Field("event", .template, "the name of the event; any"),
                Field("where", .named("json_condition"), "what the event's data, which is JSON, must meet"),
                headers, proxy, authority,
            ],
            short: "url")
    ) { try request($0).decode(StreamTrigger.self) }

    private static let process = TriggerEntry(
        name: "process", summary: "the end of a process of this machine",
        shape: ObjectShape(
            name: "a wait for a process",
            fields: [
                Field("pid", .templatedInteger(1...Int64(Int32.max)), "its id", required: true),
                Field("start_time", .templatedInteger(0 ... .max), "field 22 of /proc/<pid>/stat", required: true),
                Field("boot_id", .template, "what /proc/sys/kernel/random/boot_id said then", required: true),
                Field("host", .template, "the machine's name", required: true),
                Field("records", .template, "where its output and end are written, if it was started detached"),
            ])
    ) { value in
        guard value["pid"]?.text != nil || value["start_time"]?.text != nil else {
            return ProcessTrigger(try value.json.decode(DetachedProcess.self))
        }
        func part(_ name: String) -> String? { value[name].map { $0.text ?? $0.written } }
        return ProcessTemplate(
            ProcessTemplate.Parts(
                pid: part("pid") ?? "", startTime: part("start_time") ?? "", bootID: part("boot_id") ?? "",
                host: part("host") ?? "", records: part("records")))
    }

    private static let sql = TriggerEntry(
        name: "sql", summary: "the rows of a query",
        shape: ObjectShape(
            name: "a wait for rows",
            fields: [
                Field(
                    "query", .template, "one statement that gives rows and changes nothing", required: true,
                    others: ["sql", "statement"]),
                Field(
                    "parameters", .list(.any), "the values of its places: $1, … with PostgreSQL, ? with SQLite",
                    others: ["params"]),
                Field("database", .object(database), "where it is asked", required: true, others: ["conn_id"]),
                Field(
                    "every", .span(.positive), "the time from one query to the next; 1m",
                    others: ["poke_interval", "interval"]),
                Field("until", .named("sql_condition"), "what ends the wait; that the first value is truthy"),
                Field("timeout", .span(.positive), "how long the query may run; 10s"),
                Field("listen", .text, "a channel of PostgreSQL: a notification there makes the query run at once"),
            ])
    ) { try rows($0).decode(SQLTrigger.self) }

    private static let database = ObjectShape(
        name: "a database",
        fields: [
            Field("sqlite", .template, "the absolute path of a file of SQLite"),
            Field(
                "postgres",
                .object(
                    ObjectShape(
                        name: "a PostgreSQL server",
                        fields: [
                            Field("host", .template, "a name, an address, or the folder of a socket", required: true),
                            Field("port", .integer(1...65_535), "5432"),
                            Field("database", .template, "its name", required: true, others: ["dbname", "db"]),
                            Field("user", .template, "as whom it is asked", required: true),
                            Field("password", .object(password), "a reference to it, never itself"),
                            Field("tls", .choice(PostgresServer.TLS.allCases.map(\.rawValue)), "prefer"),
                            Field("ca", .template, "the path of a PEM file with authorities"),
                        ])), "a PostgreSQL server"),
            Field("connection", .text, "the id of a connection: postgres, redshift or sqlite", others: ["conn_id"]),
            Field("secret", .text, "a reference to its whole address: a secret by its name, conn:ID.uri or var:KEY"),
        ],
        rules: [.exactlyOne(["sqlite", "postgres", "connection", "secret"])])

    /// A connection stands as a reference in the stored form.
    private static func rows(_ value: YAMLValue) -> JSONValue {
        guard case .object(var members) = value.json, case .string(let id)? = members["database"]?["connection"] else {
            return value.json
        }
        members["database"] = .object(["secret": .string("conn:\(id).uri")])
        return .object(members)
    }

    private static let password = ObjectShape(
        name: "a password's reference",
        fields: [
            Field(
                "secret", .text,
                "a secret by its name, as PERCH_SECRET_<name> of the triggerer; or conn:ID.password, var:KEY"),
            Field("environment", .text, "an environment variable of the triggerer"),
        ],
        rules: [.exactlyOne(["secret", "environment"])])
}
