// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// What the templates of a try have become.
struct RenderedView: Sendable {
    var key: TaskInstanceKey
    var tryNumber: Int
    var fields: [RenderedText]

    static let resource = Resource<RenderedView>(
        "RenderedFields",
        [
            .text("dag_id", "The DAG's id.") { $0.key.dagID },
            .text("dag_run_id", "The run's id.") { $0.key.runID },
            .text("task_id", "The task's id.") { $0.key.taskID },
            .integer("map_index", "Which instance of a mapped task it is; -1: it is not mapped.") {
                Int64($0.key.mapIndex)
            },
            .count("try_number", "Which try.") { $0.tryNumber },
            .list(
                "fields", of: field,
                "Each field of what it waits for and of its operator, in their order. Empty: there are none with templates, or "
                    + "none has been filled in yet."
            ) { $0.fields },
            .map("rendered_fields", "The same by name.") { view in
                .object(Dictionary(view.fields.map { ($0.name, .string($0.text)) }) { $1 })
            },
        ])

    private static let field = Resource<RenderedText>(
        "RenderedField",
        [
            .text("name", "The field: command, environment.PATH, target.") { $0.name },
            .text(
                "text",
                "What it has become; stars stand in place of what is secret, and what is too long is cut, and says so."
            ) { $0.text },
        ])
}

/// The text that a version of a DAG was read from.
struct SourceView: Sendable {
    var version: DAGVersionRow
    var source: VersionSource

    static let resource = Resource<SourceView>(
        "DAGSource",
        [
            .text("dag_id", "The DAG's id.") { $0.version.dagID },
            .count("version_number", "The version whose text it is.") { $0.version.number },
            .text("path", "The file, in its package or its folder.") { $0.source.path },
            .text("content", "The text; what is longer than 512 KiB is cut, and says so.") { $0.source.text },
        ])

    init(_ call: RESTCall, _ snapshot: Snapshot) throws {
        let number = call.integer("version_number").map { Int($0) }
        version = try snapshot.knownVersion(call.name("dag_id"), number)
        guard let source = try snapshot.source(ofVersion: version.versionID) else {
            throw PerchError(
                .notFound,
                "no text is kept of version \(version.number) of '\(version.dagID)': its bundle had none at hand")
        }
        guard try call.seesSource(ofVersion: version.versionID, snapshot) else {
            throw Refusal(.forbidden, "forbidden", "the file declares DAGs, too, that are not for who asks")
        }
        self.source = source
    }
}

extension Endpoint {
    static let texts: [Endpoint] = [
        .one(
            "dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/renderedFields",
            "What the templates of a try have become, with stars in place of what is secret.",
            of: RenderedView.resource,
            [
                .mapIndex,
                Parameter(
                    name: "try_number", schema: .integer(1...Int64(Int32.max)), about: "Which try; else the latest."),
            ]
        ) { call in
            try await call.read { snapshot in
                let (_, row, task) = try snapshot.knownInstance(of: call)
                let number = call.integer("try_number").map { Int($0) } ?? row.tryNumber
                guard number <= row.tryNumber else {
                    throw PerchError(
                        .notFound, "'\(row.key.taskID)' has no try \(number); its latest is \(row.tryNumber)")
                }
                let fields = try snapshot.renderedFields(of: row, task: task, tryNumber: number)
                return RenderedView(key: row.key, tryNumber: number, fields: fields)
            }
        },
        .one(
            "dagSources/{dag_id}", "The text of the file that declares a DAG, YAML or Swift.", of: SourceView.resource,
            [
                Parameter(
                    name: "version_number", schema: .integer(1...Int64(Int32.max)),
                    about: "Which version's; else the newest's.")
            ]
        ) { call in
            try await call.read { try SourceView(call, $0) }
        },
    ]
}
