// SPDX-License-Identifier: Apache-2.0

/// One task of a DAG as data.
public struct TaskDefinition: Hashable, Sendable {
    /// What runs the task.
    public enum Kind: Hashable, Sendable {
        /// Code in the bundle process; the name is shown to people (`closure`, `BashOperator`, …).
        case code(operatorName: String)
        /// A pure wait: goes from the scheduler to the triggerer and from there to its end; never touches a worker.
        case sensor(SensorDefinition)
        /// Nothing: succeeds as soon as it may run. A join, a label; it never touches a worker.
        case empty
        /// Whether the run is the newest of its DAG by then: its output is true or false. It never touches a worker.
        case latestOnly
    }

    public var taskID: String
    public var kind: Kind
    /// The wait with which every try of a code task begins, before its code is run for the first time: it goes from the
    /// scheduler to the triggerer without a worker. Nil: the code begins.
    public var start: StartDefinition?
    /// Indexes into `DAGDefinition.tasks` of everything that this task comes after, ascending, without repeats.
    public var upstream: [Int]
    /// Indexes of the tasks whose outputs are this task's typed inputs, in order; a subset of `upstream`.
    public var inputs: [Int]
    /// The index of the task whose output (a JSON array) this task is mapped over: one instance an element, `map_index`
    /// 0, 1, …. Nil: not mapped, `map_index` -1.
    public var mappedOver: Int?
    /// Of tasks upstream, those of the same mapped group: instance i of this task comes after instance i of each, and takes
    /// its output as an input. They are mapped over the same task, which need not be upstream then. Ascending.
    public var alignedWith: [Int]
    /// Of tasks upstream, those of which only certain outputs lead here; ascending.
    public var branches: [BranchEdge]
    /// Whether everything after the task is skipped, whatever its trigger rule, when the task's output is false.
    public var shortCircuits: Bool
    /// What the task tears down; nil: it is no teardown.
    public var teardown: TeardownDefinition?
    /// What the task is called back for; nil: it is a step of the DAG. Each call is an instance, `map_index` 0, 1, ….
    /// Callbacks stand behind all steps.
    public var callback: CallbackDefinition?
    /// Of the instances of a mapped task, how many in a hundred may fail: then the task has succeeded, and does not fail the
    /// run. 0: none.
    public var toleratedFailures: Int
    /// The task group that it stands in, with those around it: `load.orders`. Empty: in none.
    public var group: String
    public var triggerRule: TriggerRule
    /// How many times a failed try is tried again.
    public var retries: Int
    public var retryDelay: TimeSpan
    /// Doubles the delay with each try, up to `maxRetryDelay`.
    public var retryExponentialBackoff: Bool
    public var maxRetryDelay: TimeSpan
    /// How long the task's code may run, its waits not counted.
    public var executionTimeout: TimeSpan?
    /// How long one try may take in all, its waits included.
    public var taskTimeout: TimeSpan?
    /// How long a try may wait for its turn, for room or for a worker; a pause does not count.
    public var queuedTimeout: TimeSpan?
    /// Whether the code has an `onKill` that a cancel has to run.
    public var hasOnKill: Bool
    /// How long a cancelled task's `onKill` may take before its process is ended.
    public var killTimeout: TimeSpan
    public var pool: String
    public var poolSlots: Int
    /// Limits beside the pool: how many dispatches of one name there may be at a time.
    public var limits: [ConcurrencyLimit]
    /// Higher runs first.
    public var priority: Int
    /// The queue of the workers that run it, and of the triggerers that watch its waits.
    public var queue: String
    /// Whether its code shares a bundle process with that of others.
    public var isolation: TaskIsolation
    /// The names of the assets that it updates when it succeeds.
    public var outlets: [String]
    /// Where it was declared, for error messages: `file:line`.
    public var location: String

    /// A task with the field's defaults.
    public init(taskID: String, kind: Kind, upstream: [Int] = []) {
        self.taskID = taskID
        self.kind = kind
        self.upstream = upstream
        inputs = []
        alignedWith = []
        branches = []
        shortCircuits = false
        toleratedFailures = 0
        group = ""
        triggerRule = .allSuccess
        retries = 0
        retryDelay = .seconds(300)
        retryExponentialBackoff = false
        maxRetryDelay = .seconds(86_400)
        hasOnKill = false
        killTimeout = .seconds(60)
        pool = "default_pool"
        poolSlots = 1
        limits = []
        priority = 1
        queue = Self.defaultQueue
        isolation = .shared
        outlets = []
        location = ""
    }

    /// The queue of tasks that name none.
    public static let defaultQueue = "default"

    /// What is wrong with the name of a queue; nil where it is right.
    package static func problem(ofQueue name: String) -> String? {
        let isRight =
            (1...100).contains(name.utf8.count)
            && name.utf8.allSatisfy {
                ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A || (0x30...0x39).contains($0) || "._-".utf8.contains($0)
            }
        return isRight
            ? nil : "queue is '\(name.shown())'; a queue's name has letters, digits, '_', '.' and '-', 100 at most"
    }

    /// The delay before try `tryNumber + 1`, after try `tryNumber` (from 1) has failed.
    public func retryDelay(afterTry tryNumber: Int) -> TimeSpan {
        guard retryExponentialBackoff else { return retryDelay }
        let shift = min(max(tryNumber - 1, 0), 40)
        let (product, overflow) = retryDelay.microseconds.multipliedReportingOverflow(by: Int64(1) << Int64(shift))
        return min(maxRetryDelay, overflow ? maxRetryDelay : TimeSpan(microseconds: product))
    }
}

/// Where the code of a task runs.
public enum TaskIsolation: String, Sendable, Hashable, CaseIterable {
    /// In a bundle process together with other attempts.
    case shared
    /// Each attempt in a process of its own, which is started for it and ends with it: what it leaks goes, what it breaks
    /// breaks nothing else, and a crash is certainly its own. The start costs some milliseconds, or what the bundle needs
    /// to come up.
    case process
}

/// An edge that is taken by some outputs of the task upstream only.
public struct BranchEdge: Hashable, Sendable {
    /// The index of the task upstream that decides.
    public var upstream: Int
    /// The outputs that lead here: a text, `true` or `false` as text; where the output is an array, one of its elements.
    public var outputs: [String]

    /// An edge that some outputs take.
    public init(upstream: Int, outputs: [String]) {
        self.upstream = upstream
        self.outputs = outputs
    }

    /// Whether an output, as it is stored, leads along this edge.
    package func isTaken(by output: JSONValue) -> Bool {
        switch output {
        case .string(let text): outputs.contains(text)
        case .bool(let flag): outputs.contains(flag ? "true" : "false")
        case .array(let elements): elements.contains { isTaken(by: $0) }
        default: false
        }
    }
}

/// What a teardown task cleans up after.
public struct TeardownDefinition: Hashable, Sendable {
    /// The indexes of its setup tasks, ascending; a subset of `upstream`.
    public var setups: [Int]
    /// Whether its failure fails the run.
    public var failsRun: Bool

    /// A teardown of setups.
    public init(setups: [Int], failsRun: Bool = false) {
        self.setups = setups
        self.failsRun = failsRun
    }
}

/// The wait with which a task begins.
public struct StartDefinition: Hashable, Sendable {
    /// The trigger; its strings may hold templates, rendered by the engine when the wait is registered.
    public var trigger: TriggerSpec
    /// How long the wait may take, from when it is registered; nil: as long as the task may.
    public var timeout: TimeSpan?

    /// A first wait as data.
    public init(trigger: TriggerSpec, timeout: TimeSpan? = nil) {
        self.trigger = trigger
        self.timeout = timeout
    }

    /// The name of the wait in the journal.
    public static let name = "start"
    /// The key of the wait in the journal: the first of its name.
    package static let journalKey = "start#0"
}

/// What a pure sensor waits for, and for how long.
public struct SensorDefinition: Hashable, Sendable {
    /// The trigger; its strings may hold templates, rendered by the engine when the wait is registered.
    public var trigger: TriggerSpec
    /// How long the wait may take, from when it is registered.
    public var timeout: TimeSpan
    /// Whether a timeout skips the sensor instead of failing it.
    public var softFail: Bool
    /// The run that it waits for is started by it, with these params, whose strings may hold templates; an object. Nil: it
    /// starts none.
    public var startsRun: JSONValue?

    /// A sensor as data. The field's default timeout is seven days.
    public init(trigger: TriggerSpec, timeout: TimeSpan = .seconds(7 * 86_400), softFail: Bool = false) {
        self.trigger = trigger
        self.timeout = timeout
        self.softFail = softFail
    }
}
