// SPDX-License-Identifier: Apache-2.0

public import PerchMetastore
internal import PerchOutputs

/// Where the log of an attempt stands under the directory of logs, in the field's scheme:
/// `dag_id=…/run_id=…/task_id=…/attempt=N.log`, with `map_index=…` before the last part of a mapped instance.
public enum AttemptLogPath {
    /// The directory of all attempts of a task instance.
    public static func directory(of key: TaskInstanceKey) -> String {
        OutputPath.directory(dagID: key.dagID, runID: key.runID, taskID: key.taskID, mapIndex: key.mapIndex)
    }

    /// The file of one try.
    public static func file(of key: TaskInstanceKey, tryNumber: Int) -> String {
        "\(directory(of: key))/attempt=\(tryNumber).log"
    }
}
