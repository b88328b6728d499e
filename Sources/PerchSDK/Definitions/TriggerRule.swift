// SPDX-License-Identifier: Apache-2.0

/// When a task may run, given how the tasks that it comes after have ended; under the names of the field.
///
/// *Failed* means `failed` or `upstream_failed`. A task that comes after nothing runs under every rule.
public enum TriggerRule: String, Codable, Sendable, CaseIterable {
    /// Every upstream task succeeded. One that failed makes this `upstream_failed`, one that was skipped `skipped`.
    case allSuccess = "all_success"
    /// Every upstream task failed; else it is skipped.
    case allFailed = "all_failed"
    /// Every upstream task has ended, in whatever state.
    case allDone = "all_done"
    /// Every upstream task has ended, and one of them as success; else `upstream_failed`, or skipped where all were.
    case allDoneMinOneSuccess = "all_done_min_one_success"
    /// Every upstream task has ended, and one of the task's setups as success: the rule of teardowns.
    case allDoneSetupSuccess = "all_done_setup_success"
    /// As soon as one upstream task has succeeded. Where none does it is `upstream_failed`, or skipped where all were.
    case oneSuccess = "one_success"
    /// As soon as one upstream task has failed. Where none does it is skipped.
    case oneFailed = "one_failed"
    /// As soon as one upstream task has succeeded, or failed itself. Where none does it is skipped.
    case oneDone = "one_done"
    /// Every upstream task has ended and none failed. One that failed makes this `upstream_failed`.
    case noneFailed = "none_failed"
    /// None failed, and one succeeded: what joins the ways of a branch. Skipped where all were.
    case noneFailedMinOneSuccess = "none_failed_min_one_success"
    /// Every upstream task has ended and none was skipped; else it is skipped.
    case noneSkipped = "none_skipped"
    /// Every upstream task was skipped; else it is skipped.
    case allSkipped = "all_skipped"
    /// At once, whatever becomes of the upstream.
    case always

    /// Whether a task with this rule runs only when everything upstream has ended.
    package var waitsForAll: Bool {
        switch self {
        case .oneSuccess, .oneFailed, .oneDone, .always: false
        case .allSuccess, .allFailed, .allDone, .allDoneMinOneSuccess, .allDoneSetupSuccess, .noneFailed,
            .noneFailedMinOneSuccess, .noneSkipped, .allSkipped:
            true
        }
    }
}
