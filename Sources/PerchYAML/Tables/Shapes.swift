// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// The shapes that stand in themselves, or at several places.
enum Shapes {
    static let named: [String: Shape] = [
        "task": .cases(key: "group", has: TaskShapes.group, else: TaskShapes.task),
        "trigger": .object(Triggers.shape),
        "callback": .object(CallbackShapes.notifier),
        "asset": .object(DAGShapes.asset),
        "json_condition": .object(ConditionShapes.json),
        "http_condition": .object(ConditionShapes.http),
        "sql_condition": .object(ConditionShapes.sql),
    ]

    static let anyCount: ClosedRange<Int64> = 1...1_000_000
    static let name: Shape = .text
}

/// What the JSON Schema for files of DAGs says.
public enum DAGSchema {
    /// The schema of one document, draft 2020-12: editors complete and check files by it.
    public static var json: JSONValue {
        guard case .object(var members) = Shape.object(DAGShapes.dag).schema else { return true }
        members["$schema"] = "https://json-schema.org/draft/2020-12/schema"
        members["title"] = "A DAG of Perch"
        members["$defs"] = .object(Shapes.named.mapValues(\.schema))
        return .object(members)
    }
}
