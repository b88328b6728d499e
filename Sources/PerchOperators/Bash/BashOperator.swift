// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchProcess
public import PerchSDK

/// Runs a shell command. What it prints goes into the attempt's log line by line while it runs; its last line on the
/// standard output is the task's output.
///
/// The command runs in a process group of its own. The group ends with the command: when the shell has exited, what it
/// left running in the group is killed. When the task is cancelled or runs into its timeout, the group is sent SIGTERM,
/// and after `killGrace` SIGKILL. It dies with its bundle process, too.
///
/// - Exit code 0 is success, 99 skips the task, any other fails the try with the code and the last line.
/// - `context` is in the environment: `PERCH_DAG_ID`, `PERCH_RUN_ID`, `PERCH_TASK_ID`, `PERCH_MAP_INDEX`,
///   `PERCH_TRY_NUMBER`, `PERCH_LOGICAL_DATE`.
/// - Lines longer than 8 KiB are cut, with a note of how much is missing.
public struct BashOperator: Operator {
    /// The last line that the command printed on its standard output; empty where it printed none.
    public typealias Output = String

    /// The command, for `bash -c` (`sh -c` where there is no bash). May hold templates.
    public var command: String
    /// Variables over those of the bundle process. Values may hold templates.
    public var environment: [String: String]
    /// Where the command runs; nil: where the engine was started. May hold templates.
    public var workingDirectory: String?
    /// How long the command has to end by itself after SIGTERM.
    public var killGrace: Duration

    /// The exit code that skips a task.
    public static let skipCode: Int32 = 99

    /// A command with its surroundings.
    public init(
        _ command: String, environment: [String: String] = [:], workingDirectory: String? = nil,
        killGrace: Duration = .seconds(10)
    ) {
        self.command = command
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.killGrace = killGrace
    }

    /// Everything that may hold templates.
    public var templates: [String] { templateFields.map(\.text) }

    /// The same by its names.
    public var templateFields: [TemplateField] {
        var fields = [TemplateField("command", command)]
        fields.add("environment", environment)
        if let workingDirectory { fields.append(TemplateField("workingDirectory", workingDirectory)) }
        return fields
    }

    /// An empty command, or a variable's name that no environment can hold.
    public var problems: [String] {
        var found = CommandEnvironment.problems(of: environment)
        if command.allSatisfy(\.isWhitespace) { found.append("the command is empty") }
        if killGrace < .zero { found.append("killGrace is negative") }
        return found
    }

    /// Runs the command to its end.
    public func execute(_ context: TaskContext) async throws -> String {
        let command = try await Self.argument(command, of: context)
        var directory: String?
        if let workingDirectory { directory = try await context.render(workingDirectory) }
        let variables = try await CommandEnvironment.rendered(environment, by: context)
        let shell = Self.shell
        let log = context.log
        let run = ShellRun(
            path: shell, arguments: [shell, "-c", command],
            environment: CommandEnvironment.variables(of: context, adding: variables), directory: directory,
            killGrace: killGrace
        ) { line, isError in
            if isError { log.warning(line) } else { log.info(line) }
        }
        let ended = try await run.run()
        try Task.checkCancellation()
        return try ended.output()
    }

    static var shell: String { access("/bin/bash", X_OK) == 0 ? "/bin/bash" : "/bin/sh" }

    /// A command as the shell's argument.
    static func argument(_ command: String, of context: TaskContext) async throws -> String {
        let command = try await context.renderArgument(command)
        guard !command.contains("\0") else { throw NonRetryable("the command holds a zero byte") }
        return command
    }
}

extension ShellRun.Ended {
    /// What the task gives.
    /// - Throws: `SkipTask` for the code that skips, `CommandFailed` for all others but 0.
    func output() throws -> String {
        switch status {
        case .code(0): return lastOutput
        case .code(BashOperator.skipCode): throw SkipTask("the command exited with code \(BashOperator.skipCode)")
        case .code, .signal: throw CommandFailed("the command \(status)", self)
        }
    }
}

extension Operator where Self == BashOperator {
    /// A task that runs a shell command; see `BashOperator`.
    public static func bash(
        _ command: String, environment: [String: String] = [:], workingDirectory: String? = nil,
        killGrace: Duration = .seconds(10)
    ) -> BashOperator {
        BashOperator(command, environment: environment, workingDirectory: workingDirectory, killGrace: killGrace)
    }
}
