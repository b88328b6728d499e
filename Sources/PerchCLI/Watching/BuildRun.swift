// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import PerchProcess
internal import PerchReactor
internal import PerchSDK

/// One run of a build command, on a loop.
final class BuildRun {
    /// So many of the last lines are kept.
    private static let most = 200

    private let process: ChildProcess
    private let loop: any EventLoop
    private let onEnd: (BuildRun) -> Void
    private var output = LineAssembler()
    private var errors = LineAssembler()
    private var status: ExitStatus?
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
    /// What it printed last.
    private(set) var lines: [String] = []

    /// Starts the command.
    init(_ build: SourceBuild, loop: any EventLoop, onEnd: @escaping (BuildRun) -> Void) throws {
        self.loop = loop
        self.onEnd = onEnd
        process = try ChildProcess.start(
            path: build.command[0], arguments: build.command, environment: ChildProcess.environment,
            directory: build.directory, leadsSession: true)
        do {
            try loop.watch(process.output, for: .read) { [self] _ in drain(process.output, &output) }
            try loop.watch(process.error, for: .read) { [self] _ in drain(process.error, &errors) }
            try loop.watch(process.pidDescriptor, for: .read) { [self] _ in ended() }
        } catch {
            end()
            close()
            throw error
        }
    }

    deinit { buffer.deallocate() }

    var hasSucceeded: Bool { status == .code(0) }
    var words: String { status?.description ?? "has ended" }

    /// Ends it with what it has started.
    func end() {
        kill(process.pid, SIGKILL)
        _ = clinux_kill_session(process.pid, process.pid, nil)
    }

    private func drain(_ descriptor: Int32, _ assembler: inout LineAssembler) {
        // Bounded: the loop has others to serve.
        for _ in 0..<16 {
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count == 0 { loop.unwatch(descriptor) }
            guard count > 0 else { break }
            add(assembler.append(UnsafeRawBufferPointer(rebasing: buffer[..<count])))
        }
    }

    private func add(_ more: [String]) { lines = Array((lines + more).suffix(Self.most)) }

    private func ended() {
        drain(process.output, &output)
        drain(process.error, &errors)
        add([output.flush(), errors.flush()].compactMap(\.self))
        status = process.reap()
        close()
        onEnd(self)
    }

    private func close() {
        for descriptor in [process.pidDescriptor, process.output, process.error] { loop.unwatch(descriptor) }
        process.closeDescriptors()
    }
}
