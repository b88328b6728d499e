// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// The keys of tasks and of groups of tasks.
enum TaskShapes {
    /// What every task may have, and `defaults` of a DAG.
    static let options: [Field] = [
        Field("retries", .integer(0...1_000_000), "how many times a failed try is tried again; 0"),
        Field("retry_delay", .span(.notNegative), "the time between a failed try and the next; 5m"),
        Field("retry_exponential_backoff", .flag, "whether the delay doubles with each try; false"),
        Field("max_retry_delay", .span(.notNegative), "the longest that a doubled delay gets; 1d"),
        Field("execution_timeout", .span(.positive), "how long the code of one try may run, its waits not counted"),
        Field("task_timeout", .span(.positive), "how long one try may take in all, its waits included"),
        Field("queued_timeout", .span(.positive), "how long a try may wait for its turn; without it for ever"),
        Field("kill_timeout", .span(.notNegative), "how long the clean-up of a cancelled task may take; 1m"),
        Field("pool", .text, "the pool whose slots the task takes; default_pool"),
        Field("pool_slots", .integer(Shapes.anyCount), "how many slots of the pool it takes; 1"),
        Field(
            "priority", .integer(-1_000_000_000...1_000_000_000), "higher runs first; 1", others: ["priority_weight"]),
        Field(
            "queue", .text, "the queue of the workers that run it, and of the triggerers that watch its waits; default"),
        Field(
            "isolation", .choice(TaskIsolation.allCases.map(\.rawValue)),
            "process: each attempt has a bundle process of its own; shared"),
        Field("outlets", .oneOrMore(.text), "the assets that the task updates when it succeeds"),
        Field(
            "trigger_rule", .choice(TriggerRule.allCases.map(\.rawValue)),
            "how the tasks before it must have ended; all_success"),
    ]

    private static let operators: [Field] = Operators.all.map {
        Field($0.name, .object($0.shape), $0.summary, others: $0.others)
    }
    /// What a task can be.
    static let works: [String] = operators.map(\.name) + ["sensor", "run_dag", "empty", "latest_only"]
    /// What says something about code alone.
    private static let ofCode = [
        "execution_timeout", "queued_timeout", "kill_timeout", "start_from", "short_circuit", "limits", "isolation",
    ]
    /// What a task that does nothing may have.
    private static let ofEverything = ["outlets", "trigger_rule", "after"]

    private static let identity: [Field] = [
        Field(
            "id", .text, "letters, digits, '_', '.' and '-'; unique in the DAG", required: true,
            others: ["task_id", "name"])
    ]

    private static let ownWork: [Field] = [
        Field(
            "sensor", .named("trigger"), "what the task waits for: it is nothing but a wait",
            others: ["trigger", "wait_for"]),
        Field(
            "run_dag", .object(subRun), "starts a run of another DAG and waits for its end, without a worker",
            others: ["trigger_dag", "trigger_dag_run", "trigger_dagrun", "trigger_dag_id", "subdag"]),
        Field("empty", .yes, "true: the task does nothing, and joins what comes before it", others: ["dummy"]),
        Field("latest_only", .yes, "true: only the newest run goes on after it"),
    ]

    private static let flow: [Field] = [
        Field(
            "after", .oneOrMore(.object(upstream)), "the tasks and groups that it comes after",
            others: ["upstream", "depends_on", "dependencies", "needs", "upstream_tasks"]),
        Field(
            "over", .object(source),
            "the task whose output, a list, it is mapped over: one instance for each {{ element }}; or several",
            others: ["expand", "map", "mapped_over"]),
        Field(
            "start_from", .named("trigger"), "what is waited for before the code runs, without a worker",
            others: ["start"]),
        Field("start_timeout", .span(.positive), "how long that wait may take"),
        Field(
            "timeout", .span(.positive), "how long a sensor, or a run of another DAG, may take; 7d",
            others: ["wait_timeout"]),
        Field("soft_fail", .flag, "whether a timeout skips the task instead of failing it; false"),
        Field(
            "short_circuit", .yes, "true: everything after it is skipped unless its output is true",
            others: ["short_circuits"]),
        Field("teardown", .object(teardown), "the tasks that it cleans up after"),
        Field("tolerated_failures", .integer(1...100), "how many in a hundred instances of a mapped task may fail"),
        Field("limits", .oneOrMore(.object(limit)), "how many instances there may be at a time", others: ["limit"]),
    ]

    static let task = ObjectShape(
        name: "a task",
        fields: identity + operators + ownWork + flow + options + CallbackShapes.ofTasks.map(\.field), rules: taskRules)

    private static let waiting = ["sensor", "run_dag"]

    private static let taskRules: [ObjectRule] = {
        let ofWorkers = (flow + options).map(\.name).filter { !ofEverything.contains($0) }
        return [
            .exactlyOne(works), .needs("timeout", waiting), .needs("soft_fail", waiting),
            .needs("start_timeout", ["start_from"]), .needs("tolerated_failures", ["over"]),
            .excludes("sensor", ofCode), .excludes("run_dag", ofCode), .excludes("empty", ofWorkers),
            .excludes("latest_only", ofWorkers),
        ]
    }()

    static let group = ObjectShape(
        name: "a group",
        fields: [
            Field("group", .text, "the name: the ids of its tasks begin with it and a dot", required: true),
            Field(
                "after", .oneOrMore(.object(upstream)), "the tasks and groups that all of it comes after",
                others: ["upstream", "depends_on", "dependencies", "needs"]),
            Field(
                "over", .object(source),
                "the task whose output, a list, it is mapped over: each {{ element }} has an instance of every task",
                others: ["expand", "map", "mapped_over"]),
            Field("tolerated_failures", .integer(1...100), "how many in a hundred instances of each task may fail"),
            Field("tasks", .list(.named("task")), "its tasks, and groups in it", required: true),
        ], rules: [.needs("tolerated_failures", ["over"])])

    /// Over what a task or a group is mapped.
    private static let source = ObjectShape(
        name: "what is mapped over",
        fields: [
            Field("task", .text, "the task whose output, a list, it is", others: ["id", "task_id"]),
            Field(
                "product", .dictionary(.text),
                "each element of one task's output with each of the others', by names: {file: files, region: regions}",
                others: ["cross", "cross_product"]),
            Field(
                "zip", .dictionary(.text),
                "the first elements of tasks' outputs together, the second ones, and so on, by names"),
        ],
        short: "task", rules: [.exactlyOne(["task", "product", "zip"])],
        inPlaceOfList: "one task, or several by names: {product: {file: files, region: regions}}, or {zip: …}")

    private static let subRun = ObjectShape(
        name: "a run of another DAG",
        fields: [
            Field("dag_id", .template, "the other DAG", required: true, others: ["dag", "id", "trigger_dag_id"]),
            Field(
                "params", .dictionary(.any), "what its run is given; texts may hold templates",
                others: ["conf", "param"]),
            Field(
                "output_of", .text, "the task of it whose output this one gives, as soon as that has succeeded",
                others: ["task", "task_id", "output", "result"]),
        ],
        short: "dag_id")

    static let upstream = ObjectShape(
        name: "what a task comes after",
        fields: [
            Field(
                "task", .text, "the id of a task, or the name of a group", required: true, others: ["id", "task_id"]),
            Field("when", .oneOrMore(.scalar), "only where the task gave this output, or one of these"),
        ],
        short: "task")

    static let teardown = ObjectShape(
        name: "a teardown",
        fields: [
            Field("setups", .oneOrMore(.text), "the tasks that it cleans up after", required: true, others: ["of"]),
            Field("fails_run", .flag, "whether the run fails when it does; false"),
        ],
        short: "setups")

    static let limit = ObjectShape(
        name: "a limit",
        fields: [
            Field("slots", .integer(Shapes.anyCount), "how many there may be", required: true, others: ["at_most"]),
            Field("per_run", .flag, "whether each run has a limit of its own; false"),
            Field("key", .template, "what shares the limit with it: tasks of other DAGs too that name the same key"),
        ],
        short: "slots")
}
