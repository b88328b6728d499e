// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

extension FrameWriter {
    /// Adds a message's frame.
    /// - Throws: `BundleProtocolError` where it is longer than a frame may be; nothing is added then.
    public mutating func append(_ message: EngineMessage) throws(BundleProtocolError) {
        switch message {
        case .hello(let newest, let oldest):
            try frame("hello") {
                $0.field("protocol_version", newest)
                $0.field("oldest_version", oldest)
            }
        case .describe: try frame("describe") { _ in }
        case .tellTicks(let dagID, let after, let count):
            try frame("tell-ticks") {
                $0.field("dag_id", dagID)
                $0.field("after", after.microseconds)
                $0.field("count", count)
            }
        case .run(let order): try frame("run") { $0.fields(of: order) }
        case .recorded(let dispatchID, let key):
            try frame("recorded") {
                $0.field("dispatch_id", dispatchID)
                $0.field("key", key)
            }
        case .refused(let dispatchID): try frame("refused") { $0.field("dispatch_id", dispatchID) }
        case .lookedUp(let answer): try frame("looked-up") { $0.fields(of: answer) }
        case .cancel(let dispatchID, let notice, let isLast):
            try frame("cancel") {
                $0.field("dispatch_id", dispatchID)
                $0.fields(of: notice)
                $0.field("is_last", isLast)
            }
        case .hostTrigger(let order): try frame("host-trigger") { $0.fields(of: order) }
        case .triggerWoken(let run, let number):
            try frame("trigger-woken") {
                $0.fields(of: run)
                $0.field("number", number)
            }
        case .triggerStored(let run, let number):
            try frame("trigger-stored") {
                $0.fields(of: run)
                $0.field("number", number)
            }
        case .endTrigger(let run): try frame("end-trigger") { $0.fields(of: run) }
        case .clock(let offset): try frame("clock") { $0.field("offset", offset) }
        case .drain: try frame("drain") { _ in }
        case .unknown(let type), .unrecognized(let type): try frame("unknown") { $0.field("message_type", type) }
        }
    }

    fileprivate mutating func fields(of order: RunOrder) {
        let facts = order.facts
        field("dispatch_id", order.dispatchID)
        field("task_instance_id", order.taskInstanceID)
        field("dag_id", facts.dagID)
        field("run_id", facts.runID)
        field("task_id", facts.taskID)
        field("task_index", order.taskIndex)
        field("map_index", facts.mapIndex)
        field("try_number", facts.tryNumber)
        object("facts") {
            $0.field("logical_date", facts.logicalDate.microseconds)
            $0.field("data_interval_start", facts.dataIntervalStart.microseconds)
            $0.field("data_interval_end", facts.dataIntervalEnd.microseconds)
            $0.field("run_type", facts.runType.rawValue)
            $0.field("params", facts.params)
            if let traceparent = facts.traceparent { $0.field("traceparent", traceparent) }
        }
        if !order.journal.isEmpty {
            list("journal", order.journal) { writer, entry in writer.element { $0.fields(of: entry) } }
        }
        if !order.inputs.isEmpty { field("inputs", order.inputs) }
        field("map_element", order.mapElement)
        if let cancel = order.cancel { object("cancel") { $0.fields(of: cancel) } }
    }

    fileprivate mutating func fields(of notice: CancelNotice) {
        field("final_state", notice.finalState)
        field("reason", notice.reason)
        field("by", notice.by)
    }

    fileprivate mutating func fields(of entry: RecordedEntry) {
        field("key", entry.key)
        field("kind", entry.kind.rawValue)
        field("payload", entry.payload)
        if entry.isKept { field("keep", true) }
        guard let outcome = entry.outcome else { return }
        object("outcome") {
            switch outcome {
            case .event(let payload):
                $0.field("type", "event")
                $0.field("payload", payload)
            case .timeout:
                $0.field("type", "timeout")
            case .cancelled(let notice):
                $0.field("type", "cancelled")
                $0.fields(of: notice)
            case .broken(let message):
                $0.field("type", "broken")
                $0.field("message", message)
            }
        }
    }
}

extension EngineMessage {
    /// The message in a frame.
    /// - Throws: `BundleProtocolError` that names the member that is wrong.
    public init(_ fields: MessageFields) throws(BundleProtocolError) {
        switch fields.type {
        case "hello":
            // An engine that does not say it is of a time when there was nothing older to refuse.
            self = .hello(
                protocolVersion: Int(try fields.integer("protocol_version")),
                oldestVersion: Int(try fields.integer("oldest_version", default: 1)))
        case "describe": self = .describe
        case "tell-ticks":
            self = .tellTicks(
                dagID: try fields.string("dag_id"),
                after: Timestamp(microseconds: try fields.integer("after")), count: Int(try fields.integer("count")))
        case "run": self = .run(try RunOrder(fields))
        case "recorded":
            self = .recorded(dispatchID: try fields.integer("dispatch_id"), key: try fields.string("key"))
        case "refused": self = .refused(dispatchID: try fields.integer("dispatch_id"))
        case "looked-up": self = .lookedUp(try LookUpAnswer(fields))
        case "cancel":
            self = .cancel(
                dispatchID: try fields.integer("dispatch_id"), try CancelNotice(fields),
                isLast: try fields.bool("is_last", default: false))
        case "host-trigger": self = .hostTrigger(try TriggerOrder(fields))
        case "trigger-woken": self = .triggerWoken(try TriggerRun(fields), number: try fields.integer("number"))
        case "trigger-stored": self = .triggerStored(try TriggerRun(fields), number: try fields.integer("number"))
        case "end-trigger": self = .endTrigger(try TriggerRun(fields))
        case "clock": self = .clock(offset: try fields.integer("offset"))
        case "drain": self = .drain
        case "unknown": self = .unknown(messageType: try fields.string("message_type"))
        default: self = .unrecognized(messageType: fields.type)
        }
    }
}

extension CancelNotice {
    fileprivate init(_ fields: MessageFields) throws(BundleProtocolError) {
        finalState = try fields.string("final_state")
        reason = try fields.string("reason")
        by = try fields.string("by")
    }
}

extension RunOrder {
    fileprivate init(_ fields: MessageFields) throws(BundleProtocolError) {
        let facts = try fields.object("facts")
        guard let runType = RunType(rawValue: try facts.string("run_type")) else {
            throw facts.missing("run_type", "a run type")
        }
        self.init(
            dispatchID: try fields.integer("dispatch_id"), taskInstanceID: try fields.integer("task_instance_id"),
            taskIndex: Int(try fields.integer("task_index", default: -1)),
            facts: AttemptFacts(
                dagID: try fields.string("dag_id"), runID: try fields.string("run_id"),
                taskID: try fields.string("task_id"), mapIndex: Int(try fields.integer("map_index", default: -1)),
                tryNumber: Int(try fields.integer("try_number")),
                logicalDate: Timestamp(microseconds: try facts.integer("logical_date")),
                dataIntervalStart: Timestamp(microseconds: try facts.integer("data_interval_start")),
                dataIntervalEnd: Timestamp(microseconds: try facts.integer("data_interval_end")),
                params: facts.value("params") ?? .object([:]), runType: runType))
        self.facts.traceparent = try facts.optionalString("traceparent")
        for entry in try fields.list("journal") {
            journal.append(try RecordedEntry(MessageFields(entry, in: "run.journal")))
        }
        inputs = try fields.strings("inputs")
        mapElement = try fields.optionalString("map_element")
        cancel = try fields.optionalObject("cancel").map { (notice) throws(BundleProtocolError) in
            try CancelNotice(notice)
        }
    }
}

extension RecordedEntry {
    fileprivate init(_ fields: MessageFields) throws(BundleProtocolError) {
        guard let kind = Kind(rawValue: try fields.string("kind")) else {
            throw fields.missing("kind", "'step' or 'wait'")
        }
        self.init(key: try fields.string("key"), kind: kind, payload: try fields.string("payload"))
        isKept = try fields.bool("keep", default: false)
        guard let ended = try fields.optionalObject("outcome") else { return }
        switch try ended.string("type") {
        case "event": outcome = .event(payload: try ended.string("payload"))
        case "timeout": outcome = .timeout
        case "cancelled": outcome = .cancelled(try CancelNotice(ended))
        case "broken": outcome = .broken(message: try ended.string("message"))
        default: throw ended.missing("type", "a kind of outcome")
        }
    }
}
