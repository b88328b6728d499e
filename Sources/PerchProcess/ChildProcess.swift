// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc

/// A child process that was just started: its id, its death and its output as descriptors that whoever started it watches
/// and closes.
package struct ChildProcess: Sendable {
    package let pid: Int32
    /// Readable once the process has ended.
    package let pidDescriptor: Int32
    /// What it prints; reading never blocks.
    package let output: Int32
    /// What it prints as errors; reading never blocks.
    package let error: Int32

    /// Why a process could not be started.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
        /// What of the start it was.
        package let step: ChildConditions.Step

        init(_ what: String, _ number: Int32, _ step: ChildConditions.Step = .start) {
            description = "\(what): \(String(cString: strerror(number)))"
            self.step = step
        }
    }

    /// Starts a program. Descriptors other than the three standard ones are closed in it, signals have their defaults.
    ///
    /// - Parameters:
    ///   - path: The program's file.
    ///   - arguments: All of them, the program's name first.
    ///   - environment: All variables, `NAME=value`.
    ///   - directory: Where it starts; nil: here.
    ///   - input: Its standard input; nil: nothing to read.
    ///   - leadsSession: Whether it gets a session of its own, else only a process group of its own.
    ///   - conditions: Under which it runs, from its first instruction on.
    package static func start(
        path: String, arguments: [String], environment: [String], directory: String? = nil, input: Int32? = nil,
        leadsSession: Bool, conditions: ChildConditions = ChildConditions()
    ) throws(Failure) -> ChildProcess {
        var opened: [Int32] = []
        defer { for descriptor in opened { close(descriptor) } }
        let (output, outputEnd) = try pipe(&opened)
        let (error, errorEnd) = try pipe(&opened)
        var pid: pid_t = 0
        var step = CLINUX_STEP_START
        let result = withCStrings(arguments) { arguments in
            withCStrings(environment) { environment in
                path.withCString { path in
                    withOptionalCString(directory) { directory in
                        var request = clinux_spawn(
                            path: path, arguments: arguments, environment: environment, directory: directory,
                            input: input ?? -1, output: outputEnd, error: errorEnd, leads_session: leadsSession ? 1 : 0)
                        guard !conditions.isEmpty else { return clinux_spawn_process(&request, &pid) }
                        return conditions.withConduct { conduct in
                            clinux_spawn_limited(&request, conduct, &pid, &step)
                        }
                    }
                }
            }
        }
        guard result == 0 else {
            let failed = ChildConditions.Step(step)
            throw Failure(failed == .directory ? directory ?? path : path, result, failed)
        }
        let pidDescriptor = clinux_pidfd_open(pid)
        guard pidDescriptor >= 0 else {
            let reason = errno
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
            throw Failure("no descriptor for the process", reason)
        }
        opened.removeAll { $0 == output || $0 == error }
        return ChildProcess(pid: pid, pidDescriptor: pidDescriptor, output: output, error: error)
    }

    /// Kills it, and nobody else, even where it has been reaped. Its group goes when a reader sees its end.
    package func end() { _ = clinux_pidfd_send_signal(pidDescriptor, SIGKILL) }

    /// Takes the status of the ended process. Nil while it has not ended.
    package func reap() -> ExitStatus? {
        var code: Int32 = 0
        var signal: Int32 = 0
        guard clinux_reap(pid, &code, &signal) == 1 else { return nil }
        return signal > 0 ? .signal(signal) : .code(code)
    }

    /// Closes its descriptors.
    package func closeDescriptors() {
        for descriptor in [pidDescriptor, output, error] { close(descriptor) }
    }

    /// The variables of this process, `NAME=value`.
    package static var environment: [String] {
        var variables: [String] = []
        var next = clinux_environment()
        while let entry = next?.pointee {
            variables.append(String(cString: entry))
            next = next?.successor()
        }
        return variables
    }

    private static func pipe(_ opened: inout [Int32]) throws(Failure) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        guard clinux_pipe(&ends) == 0 else { throw Failure("no pipe", errno) }
        opened += ends
        let flags = fcntl(ends[0], F_GETFL)
        _ = fcntl(ends[0], F_SETFL, flags | O_NONBLOCK)
        return (ends[0], ends[1])
    }
}

/// How a process ended.
package enum ExitStatus: Sendable, Hashable, CustomStringConvertible {
    case code(Int32)
    case signal(Int32)

    /// `exited with code 3`, `died of signal 4 (Illegal instruction)`.
    package var description: String {
        switch self {
        case .code(let code): "exited with code \(code)"
        case .signal(let signal): "died of signal \(signal) (\(String(cString: strsignal(signal))))"
        }
    }
}

/// Runs `body` with a null-terminated array of C strings.
private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    let copies: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) } + [nil]
    defer { for copy in copies { free(copy) } }
    return copies.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { preconditionFailure("an array with its end mark has a base") }
        return body(base)
    }
}

private func withOptionalCString<Result>(_ string: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
    guard let string else { return body(nil) }
    return string.withCString { body($0) }
}
