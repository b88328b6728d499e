// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// Task instances by the names under which their code knows them.
struct InstanceNames {
    private var ids: [AttemptName: Int64] = [:]

    init(on connection: any SQLConnection) throws {
        var definitions: [Int64: DAGDefinition] = [:]
        var texts: [(Int64, String)] = []
        try connection.query("SELECT version_id, definition FROM dag_version", []) {
            texts.append(($0.int64(0), $0.text(1)))
        }
        for (version, text) in texts { definitions[version] = try DAGDefinition(parsing: text) }
        var found: [AttemptName: Int64] = [:]
        try connection.query(
            """
            SELECT t.ti_id, r.dag_id, r.run_id, r.version_id, t.task_index, t.map_index
            FROM task_instance t JOIN dag_run r ON r.run_key = t.run_key
            """, []
        ) { row in
            guard let tasks = definitions[row.int64(3)]?.tasks, tasks.indices.contains(row.int(4)) else { return }
            let name = AttemptName(
                dagID: row.text(1), runID: row.text(2), taskID: tasks[row.int(4)].taskID, mapIndex: row.int(5),
                tryNumber: 0)
            found[name] = row.int64(0)
        }
        ids = found
    }

    func id(of attempt: AttemptName) -> Int64? {
        var name = attempt
        name.tryNumber = 0
        return ids[name]
    }
}
