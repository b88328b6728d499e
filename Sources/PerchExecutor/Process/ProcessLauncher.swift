// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import PerchBundle
internal import PerchSDK

/// Starts a bundle as a child process: a session of its own, the socket as its standard input, pipes for its output.
///
/// It uses posix_spawn and not swift-subprocess, which ties a child to one asynchronous call, reads its pipes on threads
/// of its own and gives no session, while here the reactor watches socket, pipes and pidfd for as long as the child lives.
public struct ProcessLauncher: BundleLauncher {
    public let name: String
    public let mark: String
    private let executable: String
    private let arguments: [String]
    private let memoryLimit: UInt64?

    /// A launcher of one executable.
    ///
    /// - Parameters:
    ///   - home: The engine's home; it marks what the bundle starts.
    ///   - executable: The path; this program itself unless given, even where its file was replaced meanwhile.
    ///   - arguments: What makes it serve as a bundle.
    ///   - name: The name under which its DAGs are stored.
    ///   - memoryLimit: Bytes of private memory that a bundle process may use; nil: as much as there is.
    public init(
        home: String, executable: String = "/proc/self/exe", arguments: [String] = ["bundle-host"],
        name: String = "default", memoryLimit: UInt64? = nil
    ) {
        self.name = name
        self.executable = executable
        self.arguments = arguments
        self.memoryLimit = memoryLimit
        mark = "\(HostConduct.markVariable)=\(home)"
    }

    /// Starts the executable.
    public func launch() throws -> LaunchedBundle {
        var sockets: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &sockets) == 0 else { throw failure("no socket for it", errno) }
        var opened = sockets
        defer { for descriptor in opened { close(descriptor) } }
        let (output, outputEnd) = try pipe(&opened)
        let (error, errorEnd) = try pipe(&opened)

        var pid: pid_t = 0
        let result = withCStrings([programName] + arguments) { arguments in
            withCStrings(environment()) { environment in
                executable.withCString { path in
                    var request = clinux_spawn(
                        path: path, arguments: arguments, environment: environment, directory: nil, input: sockets[1],
                        output: outputEnd, error: errorEnd, leads_session: 1)
                    return clinux_spawn_process(&request, &pid)
                }
            }
        }
        guard result == 0 else { throw failure(executable, result) }
        let pidDescriptor = clinux_pidfd_open(pid)
        guard pidDescriptor >= 0 else {
            let reason = errno
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
            throw failure("no descriptor for it", reason)
        }
        let kept = [sockets[0], output, error]
        opened.removeAll(where: kept.contains)
        for descriptor in kept { setNonblocking(descriptor) }
        return LaunchedBundle(
            socket: sockets[0],
            process: .init(pid: pid, pidDescriptor: pidDescriptor, output: output, error: error))
    }

    private var programName: String {
        executable == "/proc/self/exe" ? (CommandLine.arguments.first ?? executable) : executable
    }

    private func environment() -> [String] {
        let own = [HostConduct.markVariable, HostConduct.memoryLimitVariable, "SWIFT_BACKTRACE"]
        var variables = currentEnvironment().filter { variable in
            !own.contains { variable.hasPrefix("\($0)=") }
        }
        variables.append(mark)
        variables.append(
            "SWIFT_BACKTRACE=enable=yes,color=no,interactive=no,threads=crashed,registers=none,images=none,limit=32")
        if let memoryLimit { variables.append("\(HostConduct.memoryLimitVariable)=\(memoryLimit)") }
        return variables
    }

    private func pipe(_ opened: inout [Int32]) throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        guard clinux_pipe(&ends) == 0 else { throw failure("no pipe for it", errno) }
        opened += ends
        return (ends[0], ends[1])
    }

    private func failure(_ what: String, _ number: Int32) -> PerchError {
        PerchError(.unavailable, "the bundle process cannot be started: \(what): \(String(cString: strerror(number)))")
    }
}

/// The variables of this process, `NAME=value`.
private func currentEnvironment() -> [String] {
    var variables: [String] = []
    var next = clinux_environment()
    while let entry = next?.pointee {
        variables.append(String(cString: entry))
        next = next?.successor()
    }
    return variables
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

/// Makes reads and writes on a descriptor return instead of waiting.
func setNonblocking(_ descriptor: Int32) {
    let flags = fcntl(descriptor, F_GETFL)
    _ = fcntl(descriptor, F_SETFL, flags | O_NONBLOCK)
}
