// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Waits until another DAG run, or a task of one, has ended in a state.
public struct RunTrigger: Trigger {
    public typealias Event = RunEvent
    public static let kind = RunAim.kind

    /// What is waited for; the metastore reads it.
    package var aim: RunAim

    /// A wait for a run or a task of it; see `Trigger.run(of:task:mapIndex:which:in:failingOn:)`.
    public init(
        dagID: String, taskID: String? = nil, mapIndex: Int? = nil, which run: RunSelection = .sameDate,
        in allowed: Set<TaskState> = [.success], failingOn failing: Set<TaskState>? = nil
    ) {
        aim = RunAim(
            dagID: dagID, taskID: taskID, mapIndex: mapIndex, selection: run, allowed: allowed, failing: failing)
    }

    public var target: String { aim.target }
    public var problems: [String] { aim.problems }

    /// Reads the coded form.
    public init(from decoder: any Decoder) throws {
        aim = try RunAim(from: decoder)
    }

    /// Writes the coded form.
    public func encode(to encoder: any Encoder) throws {
        try aim.encode(to: encoder)
    }
}

extension Trigger where Self == RunTrigger {
    /// Waits until a run of a DAG, or a task of that run, has ended in one of these states. What has ended so already does.
    ///
    /// - Parameters:
    ///   - dagID: The DAG. It may be one that does not exist yet.
    ///   - taskID: The task; nil: the run as a whole.
    ///   - mapIndex: The instance of a mapped task; nil: all of its instances have ended.
    ///   - run: Which run: that of the same logical date as this one (the default), `.offset(.hours(-1))`,
    ///     `.date("{{ data_interval_end }}")`, `.id("manual__2026-01-01")`, or `.next`.
    ///   - allowed: The states that end the wait.
    ///   - failing: The states that fail it, and its task without a retry; nil: `failed`, and of a task also
    ///     `upstream_failed`, where they are not waited for. What ends in any other state is waited for still: it may be
    ///     cleared and run again.
    public static func run(
        of dagID: String, task taskID: String? = nil, mapIndex: Int? = nil, which run: RunSelection = .sameDate,
        in allowed: Set<TaskState> = [.success], failingOn failing: Set<TaskState>? = nil
    ) -> RunTrigger {
        RunTrigger(dagID: dagID, taskID: taskID, mapIndex: mapIndex, which: run, in: allowed, failingOn: failing)
    }
}
