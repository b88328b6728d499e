// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

extension FrameWriter {
    /// Adds a message's frame.
    /// - Throws: `BundleProtocolError` where it is longer than a frame may be; nothing is added then.
    public mutating func append(_ message: BundleMessage) throws(BundleProtocolError) {
        switch message {
        case .hello(let newest, let bundleVersion, let pid, let oldest):
            try frame("hello") {
                $0.field("protocol_version", newest)
                if let oldest { $0.field("oldest_version", oldest) }
                $0.field("bundle_version", bundleVersion)
                $0.field("pid", Int(pid))
            }
        case .definition(let text, let isLast):
            try frame("definition") {
                $0.field("text", text)
                $0.field("is_last", isLast)
            }
        case .described(let description):
            try frame("described") {
                $0.field("bundle_version", description.bundleVersion)
                $0.field("dags", description.dags)
                $0.field("problems", description.problems)
                if !description.importErrors.isEmpty {
                    $0.list("import_errors", description.importErrors) { writer, error in
                        writer.element { $0.fields(of: error) }
                    }
                }
            }
        case .source(let source):
            try frame("source") {
                $0.field("path", source.path)
                $0.field("text", source.text)
                $0.field("dag_ids", source.dagIDs)
            }
        case .rendered(let dispatchID, let fields):
            try frame("rendered") {
                $0.field("dispatch_id", dispatchID)
                $0.list("fields", fields) { writer, field in
                    writer.element {
                        $0.field("name", field.name)
                        $0.field("text", field.text)
                    }
                }
            }
        case .ticks(let told):
            try frame("ticks") {
                $0.field("dag_id", told.dagID)
                $0.field("after", told.after.microseconds)
                $0.list("ticks", told.ticks) { writer, tick in
                    writer.element {
                        $0.field("at", tick.at.microseconds)
                        $0.field("interval_start", tick.intervalStart.microseconds)
                        $0.field("interval_end", tick.intervalEnd.microseconds)
                    }
                }
                $0.field("is_last", told.isLast)
                if let problem = told.problem { $0.field("problem", problem) }
            }
        case .step(let dispatchID, let key, let payload, let keep, let began):
            try frame("step") {
                $0.field("dispatch_id", dispatchID)
                $0.field("key", key)
                $0.field("payload", payload)
                if keep { $0.field("keep", true) }
                if let began { $0.field("began_at", began.microseconds) }
            }
        case .deferred(let dispatchID, let key, let trigger, let timeout):
            try frame("deferred") {
                $0.field("dispatch_id", dispatchID)
                $0.field("key", key)
                $0.object("trigger") { $0.fields(of: trigger) }
                if let timeout { $0.field("timeout", timeout.microseconds) }
            }
        case .result(let dispatchID, let outcome):
            try frame("result") {
                $0.field("dispatch_id", dispatchID)
                $0.fields(of: outcome)
            }
        case .log(let dispatchID, let lines):
            try frame("log") {
                $0.field("dispatch_id", dispatchID)
                $0.list("lines", lines) { writer, line in writer.line(line) }
            }
        case .held(let dispatchID, let span):
            try frame("held") {
                $0.field("dispatch_id", dispatchID)
                $0.field("held", span.microseconds)
            }
        case .lookUp(let question): try frame("look-up") { $0.fields(of: question) }
        case .trigger(let run, let news): try append(news, of: run)
        case .alive: try frame("alive") { _ in }
        case .unknown(let type), .unrecognized(let type): try frame("unknown") { $0.field("message_type", type) }
        }
    }

    mutating func line(_ line: LogLine) {
        raw("[")
        number(line.at.microseconds)
        raw(",")
        text(line.level.rawValue)
        raw(",")
        text(line.message)
        raw("]")
    }

    fileprivate mutating func fields(of error: DeclarationProblem) {
        field("file", error.file)
        field("line", error.line)
        if let column = error.column { field("column", column) }
        field("message", error.message)
    }

    fileprivate mutating func fields(of trigger: TriggerSpec) {
        field("kind", trigger.kind)
        field("target", trigger.target)
        switch trigger.due {
        case nil: break
        case .at(let text): object("due") { $0.field("at", text) }
        case .after(let span): object("due") { $0.field("after", span.microseconds) }
        case .tick, .within: field("due", trigger.due?.json ?? .null)
        }
        field("definition", trigger.definition)
    }

    fileprivate mutating func fields(of outcome: AttemptOutcome) {
        switch outcome {
        case .success(let output, let items):
            field("outcome", "success")
            field("output", output)
            if let items { field("items", items) }
        case .failure(let message, let retryable, let delay):
            field("outcome", "failure")
            field("message", message)
            field("retryable", retryable)
            if let delay { field("retry_after", delay.microseconds) }
        case .skipped(let message):
            field("outcome", "skipped")
            field("message", message)
        case .cancelled:
            field("outcome", "cancelled")
        }
    }
}

extension BundleMessage {
    /// The message in a frame.
    /// - Throws: `BundleProtocolError` that names the member that is wrong.
    public init(_ fields: MessageFields) throws(BundleProtocolError) {
        switch fields.type {
        case "hello":
            guard let pid = Int32(exactly: try fields.integer("pid", default: 0)) else {
                throw fields.missing("pid", "the id of a process")
            }
            self = .hello(
                protocolVersion: Int(try fields.integer("protocol_version")),
                bundleVersion: try fields.optionalString("bundle_version") ?? "",
                pid: pid, oldestVersion: try fields.optionalInteger("oldest_version").map { Int($0) })
        case "definition":
            self = .definition(text: try fields.string("text"), isLast: try fields.bool("is_last", default: true))
        case "described":
            self = .described(
                BundleDescription(
                    bundleVersion: try fields.string("bundle_version"), dags: try fields.strings("dags"),
                    problems: try fields.strings("problems"), importErrors: try fields.importErrors()))
        case "source":
            self = .source(
                BundleSource(
                    path: try fields.string("path"), text: try fields.string("text"),
                    dagIDs: try fields.strings("dag_ids")))
        case "rendered":
            self = .rendered(dispatchID: try fields.integer("dispatch_id"), try fields.renderedFields("fields"))
        case "ticks": self = .ticks(try ToldTicks(fields))
        case "step":
            self = .step(
                dispatchID: try fields.integer("dispatch_id"), key: try fields.string("key"),
                payload: try fields.string("payload"), keep: try fields.bool("keep", default: false),
                began: try fields.optionalInteger("began_at").map { Timestamp(microseconds: $0) })
        case "deferred":
            let timeout = try fields.optionalInteger("timeout").map { TimeSpan(microseconds: $0) }
            self = .deferred(
                dispatchID: try fields.integer("dispatch_id"), key: try fields.string("key"),
                trigger: try TriggerSpec(fields.object("trigger")), timeout: timeout)
        case "result":
            self = .result(dispatchID: try fields.integer("dispatch_id"), try AttemptOutcome(fields))
        case "log":
            self = .log(dispatchID: try fields.integer("dispatch_id"), try fields.logLines("lines"))
        case "held":
            self = .held(
                dispatchID: try fields.integer("dispatch_id"), TimeSpan(microseconds: try fields.integer("held")))
        case "look-up": self = .lookUp(try LookUp(fields))
        case "alive": self = .alive
        case "unknown": self = .unknown(messageType: try fields.string("message_type"))
        default:
            if let news = try TriggerNews(fields) {
                self = .trigger(try TriggerRun(fields), news)
            } else {
                self = .unrecognized(messageType: fields.type)
            }
        }
    }
}

extension ToldTicks {
    fileprivate init(_ fields: MessageFields) throws(BundleProtocolError) {
        var ticks: [TimetableTick] = []
        for element in try fields.list("ticks") {
            let tick = try MessageFields(element, in: "ticks.ticks")
            ticks.append(
                TimetableTick(
                    at: Timestamp(microseconds: try tick.integer("at")),
                    intervalStart: Timestamp(microseconds: try tick.integer("interval_start")),
                    intervalEnd: Timestamp(microseconds: try tick.integer("interval_end"))))
        }
        self.init(
            dagID: try fields.string("dag_id"), after: Timestamp(microseconds: try fields.integer("after")),
            ticks: ticks, isLast: try fields.bool("is_last", default: false),
            problem: try fields.optionalString("problem"))
    }
}

extension MessageFields {
    fileprivate func importErrors() throws(BundleProtocolError) -> [DeclarationProblem] {
        var errors: [DeclarationProblem] = []
        for element in try list("import_errors") {
            let fields = try MessageFields(element, in: "\(type).import_errors")
            errors.append(
                DeclarationProblem(
                    file: try fields.string("file"), line: Int(try fields.integer("line")),
                    column: try fields.optionalInteger("column").map { Int($0) },
                    message: try fields.string("message")))
        }
        return errors
    }

    fileprivate func renderedFields(_ name: String) throws(BundleProtocolError) -> [RenderedField] {
        var found: [RenderedField] = []
        for element in try list(name) {
            let fields = try MessageFields(element, in: "\(type).\(name)")
            found.append(RenderedField(try fields.string("name"), try fields.string("text")))
        }
        return found
    }

    /// Lines of a log.
    func logLines(_ name: String) throws(BundleProtocolError) -> [LogLine] {
        var lines: [LogLine] = []
        for line in try list(name) {
            guard case .array(let parts) = line, parts.count >= 3, case .integer(let at) = parts[0],
                case .string(let level) = parts[1], case .string(let message) = parts[2]
            else { throw missing(name, "a list of [instant, level, text]") }
            lines.append(
                LogLine(
                    at: Timestamp(microseconds: at), level: AttemptLogLevel(rawValue: level) ?? .info, message: message)
            )
        }
        return lines
    }
}

extension AttemptOutcome {
    fileprivate init(_ fields: MessageFields) throws(BundleProtocolError) {
        switch try fields.string("outcome") {
        case "success":
            let items = fields.value("items") == nil ? nil : try fields.strings("items")
            self = .success(output: try fields.string("output"), items: items)
        case "failure":
            let delay = fields.value("retry_after") == nil ? nil : try fields.integer("retry_after")
            self = .failure(
                message: try fields.string("message"), retryable: try fields.bool("retryable", default: true),
                retryAfter: delay.map { TimeSpan(microseconds: max($0, 0)) })
        case "skipped": self = .skipped(message: try fields.optionalString("message") ?? "")
        case "cancelled": self = .cancelled
        default: throw fields.missing("outcome", "a kind of outcome")
        }
    }
}

extension TriggerSpec {
    fileprivate init(_ fields: MessageFields) throws(BundleProtocolError) {
        self.init(
            kind: try fields.string("kind"), target: try fields.string("target"),
            definition: fields.value("definition") ?? .object([:]))
        guard let instant = try fields.optionalObject("due") else { return }
        if let text = try instant.optionalString("at") {
            due = .at(text)
        } else if instant.value("after") != nil {
            due = .after(TimeSpan(microseconds: try instant.integer("after")))
        } else {
            do {
                due = try DueInstant(json: fields.value("due") ?? .null)
            } catch {
                throw BundleProtocolError(error.message)
            }
        }
    }
}
