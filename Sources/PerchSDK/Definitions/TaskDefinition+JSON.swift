// SPDX-License-Identifier: Apache-2.0

extension TaskDefinition: JSONConvertible {
    /// The field's names of what runs in the engine alone.
    package static let emptyOperator = "EmptyOperator"
    package static let latestOnlyOperator = "LatestOnlyOperator"

    /// `{"task_id": …, "operator": …}` or `{"task_id": …, "sensor": {…}}`, and every field that is not its default. Lengths
    /// of time are microseconds.
    public var json: JSONValue {
        var members: [String: JSONValue] = ["task_id": .string(taskID)]
        switch kind {
        case .code(let operatorName): members["operator"] = .string(operatorName)
        case .sensor(let sensor): members["sensor"] = sensor.json
        case .empty: members["operator"] = .string(Self.emptyOperator)
        case .latestOnly: members["operator"] = .string(Self.latestOnlyOperator)
        }
        if let start { members["start"] = start.json }
        let standard = TaskDefinition(taskID: taskID, kind: kind)
        func add(_ name: String, _ number: Int, unless other: Int) {
            if number != other { members[name] = .integer(Int64(number)) }
        }
        func add(_ name: String, _ span: TimeSpan?, unless other: TimeSpan?) {
            if let span, span != other { members[name] = .integer(span.microseconds) }
        }
        if !upstream.isEmpty { members["upstream"] = .array(upstream.map { .integer(Int64($0)) }) }
        if !inputs.isEmpty { members["inputs"] = .array(inputs.map { .integer(Int64($0)) }) }
        if let mappedOver { members["mapped_over"] = .integer(Int64(mappedOver)) }
        if !alignedWith.isEmpty { members["aligned_with"] = .array(alignedWith.map { .integer(Int64($0)) }) }
        if !branches.isEmpty { members["branches"] = .array(branches.map(\.json)) }
        if shortCircuits { members["short_circuits"] = .bool(true) }
        add("tolerated_failures", toleratedFailures, unless: 0)
        if let teardown { members["teardown"] = teardown.json }
        if let callback { members["callback"] = callback.json }
        if !group.isEmpty { members["task_group"] = .string(group) }
        if triggerRule != standard.triggerRule { members["trigger_rule"] = .string(triggerRule.rawValue) }
        add("retries", retries, unless: standard.retries)
        add("retry_delay", retryDelay, unless: standard.retryDelay)
        if retryExponentialBackoff { members["retry_exponential_backoff"] = .bool(true) }
        add("max_retry_delay", maxRetryDelay, unless: standard.maxRetryDelay)
        add("execution_timeout", executionTimeout, unless: nil)
        add("task_timeout", taskTimeout, unless: nil)
        add("queued_timeout", queuedTimeout, unless: nil)
        if hasOnKill { members["has_on_kill"] = .bool(true) }
        add("kill_timeout", killTimeout, unless: standard.killTimeout)
        if pool != standard.pool { members["pool"] = .string(pool) }
        add("pool_slots", poolSlots, unless: standard.poolSlots)
        if !limits.isEmpty { members["limits"] = .array(limits.map(\.json)) }
        add("priority", priority, unless: standard.priority)
        if queue != standard.queue { members["queue"] = .string(queue) }
        if isolation != standard.isolation { members["isolation"] = .string(isolation.rawValue) }
        if !outlets.isEmpty { members["outlets"] = .array(outlets.map { .string($0) }) }
        if !location.isEmpty { members["location"] = .string(location) }
        return .object(members)
    }

    /// Reads what `json` writes; fields that are not there have their defaults.
    public init(json: JSONValue) throws(PerchError) {
        let named = try JSONFields(json, of: "a task")
        let taskID = try named.string("task_id")
        let fields = try JSONFields(json, of: "the task '\(taskID.shown())'")
        let kind: Kind
        if let sensor = fields.members["sensor"] {
            kind = .sensor(try SensorDefinition(json: sensor))
        } else {
            let name = try fields.string("operator")
            switch name {
            case Self.emptyOperator: kind = .empty
            case Self.latestOnlyOperator: kind = .latestOnly
            default: kind = .code(operatorName: name)
            }
        }
        self.init(taskID: taskID, kind: kind, upstream: try fields.ints("upstream"))
        start = try fields.members["start"].map { json throws(PerchError) in try StartDefinition(json: json) }
        inputs = try fields.ints("inputs")
        mappedOver = try fields.optionalInteger("mapped_over").map { Int($0) }
        alignedWith = try fields.ints("aligned_with")
        for edge in try fields.array("branches") { branches.append(try BranchEdge(json: edge)) }
        shortCircuits = try fields.bool("short_circuits", default: false)
        toleratedFailures = try fields.int("tolerated_failures", default: 0)
        teardown = try fields.members["teardown"].map { json throws(PerchError) in try TeardownDefinition(json: json) }
        callback = try fields.members["callback"].map { json throws(PerchError) in try CallbackDefinition(json: json) }
        group = try fields.string("task_group", default: "")
        let rule = try fields.string("trigger_rule", default: triggerRule.rawValue)
        guard let known = TriggerRule(rawValue: rule) else { throw fields.fault("trigger_rule", "a trigger rule") }
        triggerRule = known
        retries = try fields.int("retries", default: retries)
        retryDelay = try fields.span("retry_delay", default: retryDelay)
        retryExponentialBackoff = try fields.bool("retry_exponential_backoff", default: false)
        maxRetryDelay = try fields.span("max_retry_delay", default: maxRetryDelay)
        executionTimeout = try fields.optionalSpan("execution_timeout")
        taskTimeout = try fields.optionalSpan("task_timeout")
        queuedTimeout = try fields.optionalSpan("queued_timeout")
        hasOnKill = try fields.bool("has_on_kill", default: false)
        killTimeout = try fields.span("kill_timeout", default: killTimeout)
        pool = try fields.string("pool", default: pool)
        poolSlots = try fields.int("pool_slots", default: poolSlots)
        for limit in try fields.array("limits") { limits.append(try ConcurrencyLimit(json: limit)) }
        priority = try fields.int("priority", default: priority)
        queue = try fields.string("queue", default: queue)
        let place = try fields.string("isolation", default: self.isolation.rawValue)
        guard let isolation = TaskIsolation(rawValue: place) else {
            throw fields.fault("isolation", "shared or process")
        }
        self.isolation = isolation
        outlets = try fields.strings("outlets")
        location = try fields.string("location", default: "")
    }
}

extension BranchEdge: JSONConvertible {
    /// `{"upstream": 3, "outputs": ["large"]}`
    public var json: JSONValue {
        .object(["upstream": .integer(Int64(upstream)), "outputs": .array(outputs.map { .string($0) })])
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "an edge of a branch")
        self.init(upstream: Int(try fields.integer("upstream")), outputs: try fields.strings("outputs"))
    }
}

extension TeardownDefinition: JSONConvertible {
    /// `{"setups": [0], "fails_run": true}`
    public var json: JSONValue {
        var members: [String: JSONValue] = ["setups": .array(setups.map { .integer(Int64($0)) })]
        if failsRun { members["fails_run"] = .bool(true) }
        return .object(members)
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "a teardown")
        self.init(setups: try fields.ints("setups"), failsRun: try fields.bool("fails_run", default: false))
    }
}

extension StartDefinition: JSONConvertible {
    /// `{"trigger": {…}, "timeout": …}`; the timeout in microseconds.
    public var json: JSONValue {
        var members: [String: JSONValue] = ["trigger": trigger.json]
        if let timeout { members["timeout"] = .integer(timeout.microseconds) }
        return .object(members)
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "the first wait of a task")
        guard let trigger = fields.members["trigger"] else { throw fields.fault("trigger", "a trigger") }
        self.init(trigger: try TriggerSpec(json: trigger), timeout: try fields.optionalSpan("timeout"))
    }
}

extension SensorDefinition: JSONConvertible {
    /// `{"trigger": {…}, "timeout": …, "soft_fail": true}`; the timeout in microseconds.
    public var json: JSONValue {
        var members: [String: JSONValue] = ["trigger": trigger.json, "timeout": .integer(timeout.microseconds)]
        if softFail { members["soft_fail"] = .bool(true) }
        if let startsRun { members["starts_run"] = startsRun }
        return .object(members)
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "a sensor")
        guard let trigger = fields.members["trigger"] else { throw fields.fault("trigger", "a trigger") }
        self.init(trigger: try TriggerSpec(json: trigger))
        timeout = try fields.span("timeout", default: timeout)
        softFail = try fields.bool("soft_fail", default: false)
        startsRun = fields.members["starts_run"]
        if let startsRun {
            guard case .object = startsRun, self.trigger.kind == RunAim.kind else {
                throw fields.fault("starts_run", "an object with params, of a wait for a run")
            }
        }
    }
}
