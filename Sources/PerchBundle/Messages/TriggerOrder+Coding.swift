// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

extension FrameWriter {
    mutating func fields(of run: TriggerRun) {
        field("wait_id", run.waitID)
        field("run", run.run)
    }

    mutating func fields(of order: TriggerOrder) {
        fields(of: order.run)
        field("kind", order.kind)
        field("definition", order.definition)
        field("since", order.facts.since.microseconds)
        if let deadline = order.facts.deadline { field("deadline", deadline.microseconds) }
        field("failures", order.facts.failures)
        if let checkpoint = order.checkpoint { field("checkpoint", checkpoint) }
        field("budget", order.budget.microseconds)
    }

    mutating func append(_ news: TriggerNews, of run: TriggerRun) throws(BundleProtocolError) {
        switch news {
        case .sleep(let number, let until):
            try frame("trigger-sleep") {
                $0.fields(of: run)
                $0.field("number", number)
                $0.field("until", until.microseconds)
            }
        case .checkpoint(let number, let value):
            try frame("trigger-checkpoint") {
                $0.fields(of: run)
                $0.field("number", number)
                $0.field("value", value)
            }
        case .event(let event):
            try frame("trigger-event") {
                $0.fields(of: run)
                $0.field("event", event)
            }
        case .failed(let reason, let message):
            try frame("trigger-failed") {
                $0.fields(of: run)
                $0.field("reason", reason.rawValue)
                $0.field("message", message)
            }
        case .held(let span):
            try frame("trigger-held") {
                $0.fields(of: run)
                $0.field("held", span.microseconds)
            }
        case .log(let lines):
            try frame("trigger-log") {
                $0.fields(of: run)
                $0.list("lines", lines) { writer, line in writer.line(line) }
            }
        }
    }
}

extension TriggerRun {
    init(_ fields: MessageFields) throws(BundleProtocolError) {
        self.init(waitID: try fields.integer("wait_id"), run: try fields.integer("run"))
    }
}

extension TriggerOrder {
    init(_ fields: MessageFields) throws(BundleProtocolError) {
        let run = try TriggerRun(fields)
        let deadline = try fields.optionalInteger("deadline").map { Timestamp(microseconds: $0) }
        let checkpoint = fields.value("checkpoint")
        self.init(
            run: run, kind: try fields.string("kind"), definition: fields.value("definition") ?? .object([:]),
            facts: TriggerFacts(
                waitID: run.waitID, since: Timestamp(microseconds: try fields.integer("since")), deadline: deadline,
                failures: Int(clamping: try fields.integer("failures", default: 0))),
            checkpoint: checkpoint == .null ? nil : checkpoint,
            budget: TimeSpan(microseconds: try fields.integer("budget", default: 0)))
    }
}

extension TriggerNews {
    /// Nil where the message is none about a trigger.
    init?(_ fields: MessageFields) throws(BundleProtocolError) {
        switch fields.type {
        case "trigger-sleep":
            self = .sleep(
                number: try fields.integer("number"), until: Timestamp(microseconds: try fields.integer("until")))
        case "trigger-checkpoint":
            self = .checkpoint(number: try fields.integer("number"), value: try fields.string("value"))
        case "trigger-event": self = .event(try fields.string("event"))
        case "trigger-failed":
            guard let reason = Reason(rawValue: try fields.string("reason")) else {
                throw fields.missing("reason", "'threw', 'unknown' or 'broken'")
            }
            self = .failed(reason, message: try fields.string("message"))
        case "trigger-held": self = .held(TimeSpan(microseconds: try fields.integer("held")))
        case "trigger-log": self = .log(try fields.logLines("lines"))
        default: return nil
        }
    }
}
