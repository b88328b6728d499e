// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore

/// Where the log of an attempt lies, in the field's scheme.
enum AttemptLogPath {
    static func path(logs: String, _ key: TaskInstanceKey, tryNumber: Int) -> String {
        "\(logs)/dag_id=\(key.dagID)/run_id=\(key.runID)/task_id=\(key.taskID)/map_index=\(key.mapIndex)"
            + "/attempt=\(tryNumber).log"
    }
}
