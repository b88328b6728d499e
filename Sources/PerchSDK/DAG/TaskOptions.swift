// SPDX-License-Identifier: Apache-2.0

/// How a task is retried, limited and queued. Every field that is nil falls back to the DAG's `defaults`, and then to the
/// field's default, given at each.
public struct TaskOptions: Sendable, Hashable {
    /// How many times a failed try is tried again: 0.
    public var retries: Int?
    /// The time between a failed try and the next: 5 minutes.
    public var retryDelay: Duration?
    /// Whether the delay doubles with each try: false.
    public var retryExponentialBackoff: Bool?
    /// The longest that a doubled delay gets: a day.
    public var maxRetryDelay: Duration?
    /// How long the code of one try may run, its waits not counted: without limit.
    public var executionTimeout: Duration?
    /// How long one try may take in all, its waits included: without limit.
    public var taskTimeout: Duration?
    /// How long a try may wait for its turn, for room in a pool or limit, or for a worker; then it has failed. A pause does
    /// not count: without limit.
    public var queuedTimeout: Duration?
    /// How long the clean-up of a cancelled task may take before its process is ended: 60 seconds.
    public var killTimeout: Duration?
    /// The pool whose slots the task takes: `default_pool`.
    public var pool: String?
    /// How many slots of the pool it takes: 1.
    public var poolSlots: Int?
    /// Higher runs first: 1. The DAG's `weightRule` may add those of other tasks.
    public var priority: Int?
    /// The queue of the workers that run it, and of the triggerers that watch its waits: `default`.
    public var queue: String?
    /// Whether the code shares a bundle process with that of others: it does.
    public var isolation: TaskIsolation?
    /// The assets that the task updates when it succeeds: none.
    public var outlets: [Asset]?
    /// When the task may run, given how the tasks before it ended: all succeeded.
    public var triggerRule: TriggerRule?

    /// Options; what is not given falls back to the defaults.
    public init(
        retries: Int? = nil, retryDelay: Duration? = nil, retryExponentialBackoff: Bool? = nil,
        maxRetryDelay: Duration? = nil, executionTimeout: Duration? = nil, taskTimeout: Duration? = nil,
        queuedTimeout: Duration? = nil, killTimeout: Duration? = nil, pool: String? = nil, poolSlots: Int? = nil,
        priority: Int? = nil,
        queue: String? = nil, isolation: TaskIsolation? = nil, outlets: [Asset]? = nil,
        triggerRule: TriggerRule? = nil
    ) {
        self.retries = retries
        self.retryDelay = retryDelay
        self.retryExponentialBackoff = retryExponentialBackoff
        self.maxRetryDelay = maxRetryDelay
        self.executionTimeout = executionTimeout
        self.taskTimeout = taskTimeout
        self.queuedTimeout = queuedTimeout
        self.killTimeout = killTimeout
        self.pool = pool
        self.poolSlots = poolSlots
        self.priority = priority
        self.queue = queue
        self.isolation = isolation
        self.outlets = outlets
        self.triggerRule = triggerRule
    }

    /// Writes these options over `base` into a definition.
    func apply(over base: TaskOptions, to definition: inout TaskDefinition) {
        if let value = retries ?? base.retries { definition.retries = value }
        if let value = retryDelay ?? base.retryDelay { definition.retryDelay = TimeSpan(value) }
        if let value = retryExponentialBackoff ?? base.retryExponentialBackoff {
            definition.retryExponentialBackoff = value
        }
        if let value = maxRetryDelay ?? base.maxRetryDelay { definition.maxRetryDelay = TimeSpan(value) }
        if let value = executionTimeout ?? base.executionTimeout { definition.executionTimeout = TimeSpan(value) }
        if let value = taskTimeout ?? base.taskTimeout { definition.taskTimeout = TimeSpan(value) }
        if let value = queuedTimeout ?? base.queuedTimeout { definition.queuedTimeout = TimeSpan(value) }
        if let value = killTimeout ?? base.killTimeout { definition.killTimeout = TimeSpan(value) }
        if let value = pool ?? base.pool { definition.pool = value }
        if let value = poolSlots ?? base.poolSlots { definition.poolSlots = value }
        if let value = priority ?? base.priority { definition.priority = value }
        if let value = queue ?? base.queue { definition.queue = value }
        if let value = isolation ?? base.isolation { definition.isolation = value }
        if let value = outlets ?? base.outlets { definition.outlets = value.map(\.name) }
        if let value = triggerRule ?? base.triggerRule { definition.triggerRule = value }
    }

    /// What is wrong with the values themselves.
    var problems: [String] {
        var found: [String] = []
        if let retries, retries < 0 { found.append("retries is \(retries); it is a number from 0") }
        let spans: [(String, Duration?, isZeroRight: Bool)] = [
            ("retryDelay", retryDelay, true), ("maxRetryDelay", maxRetryDelay, true),
            ("executionTimeout", executionTimeout, false), ("taskTimeout", taskTimeout, false),
            ("queuedTimeout", queuedTimeout, false), ("killTimeout", killTimeout, true),
        ]
        for (name, value, isZeroRight) in spans {
            guard let value, value < .zero || (value == .zero && !isZeroRight) else { continue }
            found.append("\(name) is \(value); it is a duration \(isZeroRight ? "from 0" : "above 0")")
        }
        if let pool, let problem = TaskDefinition.problem(ofPool: pool) { found.append(problem) }
        if let poolSlots, poolSlots < 1 { found.append("poolSlots is \(poolSlots); it is a number from 1") }
        if let queue, let problem = TaskDefinition.problem(ofQueue: queue) { found.append(problem) }
        for asset in outlets ?? [] { if let problem = asset.problem { found.append("outlets: \(problem)") } }
        return found
    }
}
