// SPDX-License-Identifier: Apache-2.0

internal import PerchProcess
internal import PerchSDK

/// The variables of a command that a task runs: those of the bundle process, the task's own, and which attempt it is.
enum CommandEnvironment {
    /// What only the bundle process itself is meant to see.
    private static let hidden = ["SWIFT_BACKTRACE"]

    static func variables(of context: TaskContext, adding variables: [String: String]) -> [String] {
        var own = [
            "PERCH_DAG_ID": context.dagID, "PERCH_RUN_ID": context.runID, "PERCH_TASK_ID": context.taskID,
            "PERCH_MAP_INDEX": String(context.mapIndex), "PERCH_TRY_NUMBER": String(context.tryNumber),
            "PERCH_LOGICAL_DATE": context.ts,
        ]
        // In which trace a command goes on: its own name, by which tools for traces look for it.
        if let traceparent = context.traceparent { own["TRACEPARENT"] = traceparent }
        own.merge(variables) { $1 }
        let inherited = ChildProcess.environment.filter { variable in
            let name = String(variable.prefix { $0 != "=" })
            return own[name] == nil && !hidden.contains(name)
        }
        return inherited + own.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    }

    /// Values with their templates filled in.
    static func rendered(_ variables: [String: String], by context: TaskContext) async throws -> [String: String] {
        var rendered: [String: String] = [:]
        for (name, value) in variables { rendered[name] = try await context.render(value) }
        return rendered
    }

    /// What is wrong with names of variables, in sentences.
    static func problems(of variables: [String: String]) -> [String] {
        variables.keys.sorted().filter { $0.isEmpty || $0.contains("=") || $0.contains("\0") }.map {
            "'\($0)' cannot be the name of an environment variable"
        }
    }
}

/// A command that ended badly.
struct CommandFailed: Error, CustomStringConvertible {
    var description: String

    init(_ what: String, _ ended: ShellRun.Ended) {
        let last = ended.lastError.isEmpty ? ended.lastOutput : ended.lastError
        description = last.isEmpty ? what : "\(what): \(last)"
    }
}
