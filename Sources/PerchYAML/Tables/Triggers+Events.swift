// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK
internal import PerchTriggersApproval
internal import PerchTriggersEvent
internal import PerchTriggersRun
internal import PerchTriggersSocket

extension Triggers {
    static let event = TriggerEntry(
        name: "event", summary: "an external event",
        shape: ObjectShape(
            name: "a wait for an event",
            fields: [
                Field("name", .template, "the event's name", required: true, others: ["event"]),
                Field("key", .template, "its key; any"),
                Field("where", .named("json_condition"), "what its payload must meet"), since,
                Field("mode", .choice(["edge", "level"]), "something that happened, or the state of things; edge"),
                Field("delivery", .choice(["all", "one"]), "who gets it: every wait that it matches, or one; all"),
            ],
            short: "name")
    ) { value in
        guard case .object(var members) = value.json else { return try value.json.decode(EventTrigger.self) }
        members["since"] = try value["since"].map { try JSONValue(encoding: Self.since(of: $0)) }
        return try JSONValue.object(members).decode(EventTrigger.self)
    }

    static let asset = TriggerEntry(
        name: "asset", summary: "an update of an asset",
        shape: ObjectShape(
            name: "a wait for an asset",
            fields: [Field("name", .template, "the asset's name", required: true, others: ["uri", "asset"]), since],
            short: "name")
    ) { value in
        AssetTrigger(Asset(value["name"]?.text ?? ""), since: try value["since"].map { try Self.since(of: $0) })
    }

    private static let since = Field(
        "since", .text, "from when on: run_created, now, an instant, or a duration before now; run_created")

    private static func since(of value: YAMLValue) throws -> EventSince {
        let text = value.text ?? ""
        switch text {
        case "run_created": return .runCreated
        case "now": return .now
        default: break
        }
        do throws(PerchError) {
            if text.contains("-") || text.contains(":") { return .instant(try Timestamp(parsing: text)) }
            return .ago(try TimeSpan(parsing: text).duration)
        } catch {
            throw YAMLProblem(
                place: value.place,
                message: "'since' is run_created, now, an instant or a duration: \(error.message)")
        }
    }

    static let run = TriggerEntry(
        name: "run", summary: "the end of another DAG's run, or of a task of it", others: ["external_task"],
        shape: ObjectShape(
            name: "a wait for a run",
            fields: [
                Field("dag_id", .template, "the DAG", required: true, others: ["dag", "external_dag_id"]),
                Field("task_id", .template, "the task; without it the run as a whole", others: ["external_task_id"]),
                Field("map_index", .integer(0...Int64(Int32.max)), "the instance of a mapped task; all of them"),
                Field(
                    "offset", .span(.any), "how far its logical date lies from that of the run that waits: -1h; 0s",
                    others: ["execution_delta"]),
                Field("date", .template, "its logical date"), Field("run_id", .template, "its id"),
                Field("next", .yes, "true: the next run that ends after the wait began"),
                Field(
                    "in", .oneOrMore(.choice(states)), "the states that end the wait; success",
                    others: ["allowed_states", "states"]),
                Field(
                    "failing_on", .list(.choice(states)), "the states that fail it; failed, upstream_failed",
                    others: ["failed_states"]),
            ],
            short: "dag_id",
            rules: [.atMostOne(["offset", "date", "run_id", "next"]), .needs("map_index", ["task_id"])])
    ) { value in
        var selection = RunSelection.sameDate
        if let span = value["offset"]?.span, span.microseconds != 0 { selection = .shifted(by: span) }
        if let text = value["date"]?.text { selection = .date(text) }
        if let text = value["run_id"]?.text { selection = .id(text) }
        if value["next"] != nil { selection = .next }
        func states(_ name: String) -> Set<TaskState>? {
            value[name].map { Set($0.elements.compactMap { $0.text.flatMap(TaskState.init(rawValue:)) }) }
        }
        return RunTrigger(
            dagID: value["dag_id"]?.text ?? "", taskID: value["task_id"]?.text, mapIndex: value["map_index"]?.integer,
            which: selection, in: states("in") ?? [.success], failingOn: states("failing_on"))
    }

    private static let states = TaskState.allCases.filter(\.isFinished).map(\.rawValue)

    static let socket = TriggerEntry.stored(
        "socket", SocketTrigger.self, "a port or a Unix socket that accepts connections, or no longer does",
        others: ["port", "tcp"],
        shape: ObjectShape(
            name: "a wait for a socket",
            fields: [
                Field("host", .template, "a name or an address"),
                Field("port", .integer(1...65_535), "the port"),
                Field("path", .template, "the absolute path of a Unix socket"),
                Field("until", .choice(SocketTrigger.State.allCases.map(\.rawValue)), "open"),
                Field("every", .span(.positive), "the time from one probe to the next; 30s", others: ["poke_interval"]),
            ],
            rules: [.exactlyOne(["host", "path"]), .needs("host", ["port"]), .needs("port", ["host"])]))

    static let certificate = TriggerEntry.stored(
        "certificate", CertificateTrigger.self, "a server's certificate: that it was renewed, or ends soon",
        shape: ObjectShape(
            name: "a wait for a certificate",
            fields: [
                Field("host", .template, "a name or an address", required: true),
                Field("port", .integer(1...65_535), "443"),
                Field("valid_for", .span(.notNegative), "it is valid for so long yet"),
                Field("ends_within", .span(.notNegative), "it ends within so long, or has ended"),
                Field("every", .span(.positive), "the time from one look to the next; 1h", others: ["poke_interval"]),
            ],
            rules: [.exactlyOne(["valid_for", "ends_within"])]))

    static let approval = TriggerEntry(
        name: "approval", summary: "a person's answer",
        shape: ObjectShape(
            name: "an approval",
            fields: [
                Field("question", .template, "what people are asked", required: true, others: ["subject"]),
                Field("fields", .list(.object(field)), "the form", others: ["params"]),
            ],
            short: "question")
    ) { value in
        ApprovalTrigger(
            question: value["question"]?.text ?? "",
            fields: try (value["fields"]?.elements ?? []).map { item in
                guard case .object(var members) = item.json else { return try item.json.decode(ApprovalField.self) }
                members["required"] = members["required"] ?? true
                return try JSONValue.object(members).decode(ApprovalField.self)
            })
    }

    private static let field = ObjectShape(
        name: "a field of a form",
        fields: [
            Field("name", .text, "the name under which its value is given", required: true),
            Field("type", .choice(["string", "int", "number", "bool", "choice"]), "what it takes", required: true),
            Field("label", .template, "what people see; the name"),
            Field("required", .flag, "whether an approval needs a value; true"),
            Field("default", .any, "the value where none is given"),
            Field("choices", .list(.template), "what a choice may be"),
        ])
}
