// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchBundle
internal import PerchProcess
package import PerchReactor
internal import PerchSDK

/// Starts a bundle as a child process: a session of its own, the socket as its standard input, pipes for its output.
///
/// It uses posix_spawn and not swift-subprocess, which ties a child to one asynchronous call, reads its pipes on threads
/// of its own and gives no session, while here the reactor watches socket, pipes and pidfd for as long as the child lives.
package struct ProcessLauncher: BundleLauncher {
    package let name: String
    package let mark: String
    private var executable: @Sendable () -> String
    private let kept: @Sendable (String) -> String?
    private let arguments: [String]
    private let more: @Sendable () -> [String]
    private let conditions: BundleConditions

    /// The file of this program, even where it was replaced meanwhile.
    package static let thisProgram = "/proc/self/exe"

    /// A launcher of one executable.
    ///
    /// - Parameters:
    ///   - home: The engine's home; it marks what the bundle starts.
    ///   - executable: The path, asked for at each start; this program itself unless given, even where its file was
    ///     replaced meanwhile.
    ///   - arguments: What makes it serve as a bundle.
    ///   - more: Arguments that are another at each start.
    ///   - kept: The executable of a version by what the bundle calls it; nil where that is not kept.
    ///   - name: The name under which its DAGs are stored.
    ///   - conditions: Under which its processes run.
    package init(
        home: String, executable: @autoclosure @escaping @Sendable () -> String = ProcessLauncher.thisProgram,
        arguments: [String] = ["bundle-host"],
        more: @escaping @Sendable () -> [String] = { [] }, kept: @escaping @Sendable (String) -> String? = { _ in nil },
        name: String = "default",
        conditions: BundleConditions = BundleConditions()
    ) {
        self.name = name
        self.executable = executable
        self.arguments = arguments
        self.more = more
        self.kept = kept
        self.conditions = conditions
        mark = "\(HostConduct.markVariable)=\(home)"
    }

    /// The same of another version.
    package func keeping(version: String) -> (any BundleLauncher)? {
        guard let path = kept(version) else { return nil }
        var other = self
        other.executable = { path }
        return other
    }

    /// Starts the executable.
    package func launch(loop: any EventLoop, callbacks: BundleCallbacks) throws -> any BundleLink {
        try BundleConnection(start(), loop: loop, callbacks: callbacks)
    }

    /// Starts the executable; the descriptors are the caller's to close, and the process to collect.
    package func start() throws -> LaunchedBundle {
        var sockets: [Int32] = [-1, -1]
        let executable = executable()
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &sockets) == 0 else {
            throw PerchError(.unavailable, "no socket for a bundle: \(String(cString: strerror(errno)))")
        }
        defer { close(sockets[1]) }
        setNonblocking(sockets[0])
        do throws(ChildProcess.Failure) {
            let child = try ChildProcess.start(
                path: executable, arguments: [programName(executable)] + arguments + more(), environment: environment(),
                directory: conditions.workingDirectory, input: sockets[1], leadsSession: true,
                conditions: conditions.ofChild)
            return LaunchedBundle(
                socket: sockets[0],
                process: .init(
                    pid: child.pid, pidDescriptor: child.pidDescriptor, output: child.output, error: child.error))
        } catch {
            close(sockets[0])
            // Without conditions that need more, what the system refuses does not say what it was about.
            let step = error.step == .start && lacksDirectory ? .directory : error.step
            guard let setting = conditions.setting(of: step) else {
                throw PerchError(.unavailable, "the bundle process cannot be started", cause: error)
            }
            throw PerchError(.unavailable, "the bundle process cannot be started with \(setting)", cause: error)
        }
    }

    /// The file, and the state in which it is.
    package var revision: String? {
        let path = executable()
        if path == Self.thisProgram { return path }
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        let time = "\(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
        return "\(path) \(status.st_dev) \(status.st_ino) \(status.st_size) \(time)"
    }

    private var lacksDirectory: Bool {
        guard let path = conditions.workingDirectory else { return false }
        return access(path, X_OK) != 0
    }

    private func programName(_ executable: String) -> String {
        executable == Self.thisProgram ? (CommandLine.arguments.first ?? executable) : executable
    }

    private func environment() -> [String] {
        // What seals, and what lets people in, is the engine's alone.
        let own = [
            HostConduct.markVariable, "SWIFT_BACKTRACE", "PERCH__BUNDLE__ENVIRONMENT", "PERCH__SECRETS__KEY",
            "PERCH__API__TOKEN", "PERCH__API__SECRET", "PERCH__METASTORE__URL", "PERCH__METASTORE__LISTEN_URL",
        ]
        var variables = ChildProcess.environment.filter { variable in
            !own.contains { variable.hasPrefix("\($0)=") }
        }
        variables = conditions.applied(to: variables)
        variables.append(mark)
        variables.append(
            "SWIFT_BACKTRACE=enable=yes,color=no,interactive=no,threads=crashed,registers=none,images=none,limit=32")
        return variables
    }
}

/// Makes reads and writes on a descriptor return instead of waiting.
func setNonblocking(_ descriptor: Int32) {
    let flags = fcntl(descriptor, F_GETFL)
    _ = fcntl(descriptor, F_SETFL, flags | O_NONBLOCK)
}
