// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// What is done when something happens to tasks or runs.
enum CallbackShapes {
    private static let operators: [Field] = Operators.all.map {
        Field($0.name, .object($0.shape), $0.summary, others: $0.others)
    }

    static let notifier = ObjectShape(
        name: "a callback", fields: operators, rules: [.exactlyOne(operators.map(\.name))])

    static let deadline = ObjectShape(
        name: "a deadline",
        fields: [
            Field(
                "after", .span(.positive), "how long after its creation the run has not ended", required: true,
                others: ["deadline"])
        ] + operators,
        rules: [.exactlyOne(operators.map(\.name))])

    /// The keys of a task, with what calls each.
    static let ofTasks: [(point: CallbackPoint, field: Field)] = [
        (.success, field("on_success", "the task has succeeded")),
        (.failure, field("on_failure", "the task has failed for good")),
        (.skipped, field("on_skipped", "the task was skipped")),
        (.retry, field("on_retry", "a try has failed and another follows")),
        (.deferred, field("on_defer", "the task waits")),
    ]

    /// The keys of a DAG.
    static let ofRuns: [(point: CallbackPoint, field: Field)] = [
        (.success, field("on_success", "a run has succeeded")), (.failure, field("on_failure", "a run has failed")),
    ]
    static let ofDeadlines = Field(
        "on_deadline", .oneOrMore(.object(deadline)), "what is done when a run takes longer than it should",
        others: ["sla"])

    private static func field(_ name: String, _ when: String) -> Field {
        Field(
            name, .oneOrMore(.named("callback")), "what is done when \(when); {{ element }} has what has happened",
            others: [name + "_callback"])
    }
}
