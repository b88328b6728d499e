// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchProcess
public import PerchSDK
internal import PerchTriggersProcess

/// Runs a shell command that holds no worker while it runs: the task gives its slot up, as it does for every wait, and the
/// command goes on when the task's bundle, the engine or its worker is gone.
///
/// The command runs in a session of its own. Its end wakes the task, which then tells what the command has printed in the
/// attempt's log, and gives the last line. Until then that stands in the file that the log names. Exit codes are those of
/// `BashOperator`. When the task is cancelled or runs into its timeout, the command's group is sent SIGTERM, and after
/// `killGrace` SIGKILL.
///
/// A command is seen on the machine alone on which it was started: where there are several, workers and triggerers of the
/// task's queue belong on one.
public struct DetachedBashOperator: Operator {
    /// The last line that the command printed; empty where it printed none.
    public typealias Output = String

    /// The command, for `bash -c` (`sh -c` where there is no bash). May hold templates.
    public var command: String
    /// Where the command runs, an absolute path. How it was started and how it ended is recorded below `.perch` there. May
    /// hold templates.
    public var folder: String
    /// Variables over those of the bundle process. Values may hold templates.
    public var environment: [String: String]
    /// How long the command has to end by itself after SIGTERM.
    public var killGrace: Duration

    /// A cancel that comes while the command runs ends it, too.
    public static var hasOnKill: Bool { true }

    /// A command with its surroundings.
    public init(
        _ command: String, detachedIn folder: String, environment: [String: String] = [:],
        killGrace: Duration = .seconds(10)
    ) {
        self.command = command
        self.folder = folder
        self.environment = environment
        self.killGrace = killGrace
    }

    /// Everything that may hold templates.
    public var templates: [String] { templateFields.map(\.text) }

    /// The same by its names.
    public var templateFields: [TemplateField] {
        var fields = [TemplateField("command", command), TemplateField("folder", folder)]
        fields.add("environment", environment)
        return fields
    }

    /// What is wrong with the command, and a folder that is none.
    public var problems: [String] {
        var found = BashOperator(command, environment: environment, killGrace: killGrace).problems
        if !folder.hasPrefix("/"), !folder.hasPrefix("{{") {
            found.append("the folder of a detached command is an absolute path, not '\(folder.shown(60))'")
        }
        return found
    }

    /// Starts the command, and wakes when it has ended.
    public func execute(_ context: TaskContext) async throws -> String {
        // Nothing is rendered again after the wait: what it was rendered from may be another thing then.
        let process = try await context.step("begin") {
            let shell = BashOperator.shell
            let variables = try await CommandEnvironment.rendered(environment, by: context)
            let process = try DetachedProcess.start(
                shell, ["-c", try await BashOperator.argument(command, of: context)],
                in: try await context.render(folder), key: context.idempotencyKey,
                environment: CommandEnvironment.variables(of: context, adding: variables))
            context.log.info("the command is process \(process.pid); it prints into \(process.output ?? "nothing")")
            return process
        }
        context.onKill { [killGrace] in try await Self.end(process, within: killGrace) }
        let end = try await context.wait(for: .process(process))
        let last = try await tell(process.output, context.log)
        guard let status = end.exitCode.map(ExitStatus.code) ?? end.signal.map(ExitStatus.signal) else {
            throw PerchError(
                .unavailable,
                "how the command ended is not known: it was killed with the shell that looks after it, or the machine was "
                    + "started anew")
        }
        return try ShellRun.Ended(status: status, lastOutput: last, lastError: "").output()
    }

    /// Returns when the process has ended.
    private static func end(_ process: DetachedProcess, within grace: Duration) async throws {
        process.terminate()
        let step = Duration.milliseconds(50)
        var left = grace
        while process.isRunning {
            if left <= .zero { process.terminate(signal: SIGKILL) }
            try await Task.sleep(for: step)
            left -= step
        }
    }

    /// Tells what was printed, and gives its last line.
    private func tell(_ path: String?, _ log: TaskLog) async throws -> String {
        guard let path else { return "" }
        return try await OperatorThread.run("what a command has printed") { signal in
            let descriptor = open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw PerchError(.unavailable, "cannot read \(path): \(String(cString: strerror(errno)))")
            }
            defer { close(descriptor) }
            var lines = LineAssembler()
            var last = ""
            func tell(_ line: String) {
                last = line
                log.info(line)
            }
            var buffer = [UInt8](repeating: 0, count: 64 << 10)
            while !signal.isRaised {
                let count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
                guard count > 0 else { break }
                buffer.withUnsafeBytes { bytes in
                    for line in lines.append(UnsafeRawBufferPointer(rebasing: bytes[..<count])) { tell(line) }
                }
            }
            if let line = lines.flush() { tell(line) }
            return last
        }
    }
}

extension Operator where Self == DetachedBashOperator {
    /// A task that runs a shell command without holding a worker; see `DetachedBashOperator`.
    public static func bash(
        _ command: String, detachedIn folder: String, environment: [String: String] = [:],
        killGrace: Duration = .seconds(10)
    ) -> DetachedBashOperator {
        DetachedBashOperator(command, detachedIn: folder, environment: environment, killGrace: killGrace)
    }
}
