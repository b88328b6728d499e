// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import PerchProcess
internal import PerchSDK

/// One command from its start to its end, on a thread of its own that sleeps in the kernel until the command prints, ends,
/// or is to be stopped.
final class ShellRun: Sendable {
    /// How a command ended.
    struct Ended: Sendable {
        var status: ExitStatus
        var lastOutput: String
        var lastError: String
    }

    private let path: String
    private let arguments: [String]
    private let environment: [String]
    private let directory: String?
    private let killGrace: Duration
    private let print: @Sendable (_ line: String, _ isError: Bool) -> Void
    /// Readable once the command is to be stopped.
    private let stopping: Int32

    init(
        path: String, arguments: [String], environment: [String], directory: String?, killGrace: Duration,
        print: @escaping @Sendable (_ line: String, _ isError: Bool) -> Void
    ) {
        self.path = path
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.killGrace = killGrace
        self.print = print
        stopping = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
    }

    deinit { if stopping >= 0 { close(stopping) } }

    /// Runs the command; a cancellation of the Swift task stops it, and this returns once it has ended.
    func run() async throws -> Ended {
        guard stopping >= 0 else { throw failure("no descriptor is left") }
        return try await OperatorThread.run("a command") {
            try self.live()
        } stop: {
            var one: UInt64 = 1
            write(stopping, &one, 8)
        }
    }

    private func failure(_ words: String) -> PerchError {
        PerchError(.unavailable, "the command cannot be started: \(words)")
    }

    private func live() throws -> Ended {
        if let directory, access(directory, X_OK) != 0 {
            throw failure("its working directory \(directory): \(String(cString: strerror(errno)))")
        }
        let child: ChildProcess
        do {
            child = try ChildProcess.start(
                path: path, arguments: arguments, environment: environment, directory: directory, leadsSession: false)
        } catch {
            throw failure("\(error)")
        }
        defer { child.closeDescriptors() }
        let timer = timerfd_create(Int32(CLOCK_MONOTONIC), Int32(TFD_CLOEXEC) | Int32(TFD_NONBLOCK))
        defer { close(timer) }
        var output = Stream(descriptor: child.output)
        var errors = Stream(descriptor: child.error)
        var isStopping = false
        while true {
            var watched = [
                pollfd(fd: output.isOpen ? child.output : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: errors.isOpen ? child.error : -1, events: Int16(POLLIN), revents: 0),
                pollfd(fd: child.pidDescriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: isStopping ? -1 : stopping, events: Int16(POLLIN), revents: 0),
                pollfd(fd: timer, events: Int16(POLLIN), revents: 0),
            ]
            if poll(&watched, nfds_t(watched.count), -1) < 0 { continue }
            if watched[0].revents != 0 { output.read { print($0, false) } }
            if watched[1].revents != 0 { errors.read { print($0, true) } }
            if watched[3].revents != 0 {
                isStopping = true
                kill(-child.pid, SIGTERM)
                arm(timer)
            }
            if watched[4].revents != 0 {
                var count: UInt64 = 0
                Glibc.read(timer, &count, 8)
                kill(-child.pid, SIGKILL)
            }
            if watched[2].revents != 0 { break }
        }
        // The shell is dead, but not yet reaped: its number still names its group and no other.
        kill(-child.pid, SIGKILL)
        output.finish { print($0, false) }
        errors.finish { print($0, true) }
        return Ended(
            status: child.reap() ?? .code(-1), lastOutput: output.lastLine, lastError: errors.lastLine)
    }

    private func arm(_ timer: Int32) {
        let (seconds, attoseconds) = killGrace.components
        var value = itimerspec()
        value.it_value = timespec(
            tv_sec: Int(seconds), tv_nsec: max(seconds == 0 ? 1 : 0, Int(attoseconds / 1_000_000_000)))
        timerfd_settime(timer, 0, &value, nil)
    }

    /// One of the two outputs.
    private struct Stream {
        let descriptor: Int32
        var isOpen = true
        var lastLine = ""
        private var lines = LineAssembler()

        init(descriptor: Int32) { self.descriptor = descriptor }

        mutating func read(_ print: (String) -> Void) { _ = readOnce(print) }

        /// Reads what is left after the end, but not what never ends.
        mutating func finish(_ print: (String) -> Void) {
            for _ in 0..<1024 where isOpen {
                if !readOnce(print) { break }
            }
            if let line = lines.flush() { tell(line, print) }
        }

        private mutating func readOnce(_ print: (String) -> Void) -> Bool {
            withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { buffer in
                let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
                guard count > 0 else {
                    if count == 0 { isOpen = false }
                    return false
                }
                for line in lines.append(UnsafeRawBufferPointer(rebasing: buffer[..<count])) { tell(line, print) }
                return true
            }
        }

        private mutating func tell(_ line: String, _ print: (String) -> Void) {
            lastLine = line
            print(line)
        }
    }
}
