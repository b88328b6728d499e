// SPDX-License-Identifier: Apache-2.0

public import PerchBundle

/// Whether lines are worth a log.
///
/// A try that only waits, however often, has none: what there is to say of it stands in its journal, and a million sleeping
/// tasks leave no million files.
public enum LogWorth: Sendable {
    /// They belong into the log if there is one.
    case ifThere
    /// They belong into the log. If they begin it, `past` comes before them.
    case always(past: [LogLine])
}
