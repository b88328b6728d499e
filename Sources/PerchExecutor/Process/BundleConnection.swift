// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import PerchBundle
internal import PerchProcess
internal import PerchReactor

/// The link to a bundle over descriptors: its socket, its output, its death.
final class BundleConnection: BundleLink {
    private let launched: LaunchedBundle
    private let loop: any EventLoop
    private let callbacks: BundleCallbacks
    private var reader = FrameReader()
    private var writer = FrameWriter()
    private var unsent: [UInt8] = []
    private var sent = 0
    private var output = LineAssembler()
    private var errors = LineAssembler()
    private var isSocketOpen = true
    private var hasEnded = false
    private var faultWords: String?
    private(set) var lastErrors: [String] = []
    var wasHeard = true

    private static let size = 256 << 10
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: BundleConnection.size, alignment: 16)

    init(_ launched: LaunchedBundle, loop: any EventLoop, callbacks: BundleCallbacks) throws {
        self.launched = launched
        self.loop = loop
        self.callbacks = callbacks
        do {
            try watchAll()
        } catch {
            abandon()
            throw error
        }
    }

    private func watchAll() throws {
        try loop.watch(launched.socket, for: .read) { [unowned self] in socketIs($0) }
        guard let process = launched.process else { return }
        try loop.watch(process.output, for: .read) { [unowned self] _ in drainOutput() }
        try loop.watch(process.error, for: .read) { [unowned self] _ in drainErrors() }
        try loop.watch(process.pidDescriptor, for: .read) { [unowned self] _ in end() }
    }

    /// Ends what cannot be watched, without a word. Nobody is there to collect it; it goes with the engine.
    private func abandon() {
        hasEnded = true
        closeSocket()
        guard let process = launched.process else { return }
        kill(process.pid, SIGKILL)
        _ = clinux_kill_session(process.pid, process.pid, nil)
        for descriptor in [process.pidDescriptor, process.output, process.error] {
            loop.unwatch(descriptor)
            close(descriptor)
        }
    }

    var pid: Int32? { launched.process?.pid }

    deinit { buffer.deallocate() }

    // MARK: Sending

    func send(_ message: EngineMessage) throws(BundleProtocolError) {
        guard isSocketOpen, !hasEnded else { return }
        try writer.append(message)
    }

    func flush() {
        guard isSocketOpen, !hasEnded, unsent.isEmpty, !writer.isEmpty else { return }
        unsent = writer.take()
        sent = 0
        write()
    }

    private func write() {
        while sent < unsent.count {
            let count = unsent.withUnsafeBytes { bytes in
                Glibc.send(
                    launched.socket, bytes.baseAddress?.advanced(by: sent), bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                sent += count
            } else if errno == EAGAIN {
                return watchSocket(for: [.read, .write])
            } else if errno != EINTR {
                // The other side is gone; reading says so, too, and in order.
                break
            }
        }
        unsent = []
        if !writer.isEmpty { flush() }
    }

    private func watchSocket(for interest: Readiness) {
        do {
            try loop.watch(launched.socket, for: interest) { [unowned self] in socketIs($0) }
        } catch {
            fail("the socket cannot be watched: \(error)")
        }
    }

    // MARK: Receiving

    private func socketIs(_ readiness: Readiness) {
        if readiness.contains(.write), !unsent.isEmpty {
            watchSocket(for: .read)
            write()
        }
        if readiness.contains(.read) || readiness.contains(.hangUp) { receive() }
    }

    /// Reads what is there. What the code has printed before it reported is read first, so that it lands in its log.
    private func receive(turns: Int = 4) {
        // After a fault nothing in the stream can be believed.
        guard isSocketOpen, faultWords == nil else { return }
        var messages: [BundleMessage] = []
        var fault: String?
        // Bounded: a bundle that says something without end must not keep the reactor for itself.
        reading: for _ in 0..<turns {
            let count = read(launched.socket, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { break }
            if count <= 0 {
                closeSocket()
                break
            }
            wasHeard = true
            reader.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            do {
                while let fields = try reader.next() { messages.append(try BundleMessage(fields)) }
            } catch {
                fault = "broke the protocol: \(error)"
                break reading
            }
            if count < buffer.count { break }
        }
        drainOutput()
        drainErrors()
        if !messages.isEmpty { callbacks.messages(messages) }
        if let fault { fail(fault) }
        if !isSocketOpen, launched.process == nil { end() }
        if !isSocketOpen, let process = launched.process, !hasEnded {
            // Without its socket it is of no use; most likely it is dying already.
            kill(process.pid, SIGKILL)
        }
    }

    private func closeSocket() {
        guard isSocketOpen else { return }
        isSocketOpen = false
        loop.unwatch(launched.socket)
        close(launched.socket)
    }

    private func drainOutput() {
        guard let process = launched.process, !hasEnded else { return }
        drain(process.output, &output, isError: false)
    }

    private func drainErrors() {
        guard let process = launched.process, !hasEnded else { return }
        drain(process.error, &errors, isError: true)
    }

    private func drain(_ descriptor: Int32, _ assembler: inout LineAssembler, isError: Bool) {
        var lines: [String] = []
        // Bounded: a process that prints without end must not keep the reactor for itself.
        for _ in 0..<16 {
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count == 0 { loop.unwatch(descriptor) }
            if count <= 0 { break }
            lines += assembler.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            if count < buffer.count { break }
        }
        tell(lines, isError: isError)
    }

    private func tell(_ lines: [String], isError: Bool) {
        guard !lines.isEmpty else { return }
        if isError { lastErrors = Array((lastErrors + lines).suffix(50)) }
        callbacks.printed(lines, isError)
    }

    // MARK: End

    /// Ends the bundle because of what it did; its death is told once it is over.
    private func fail(_ words: String) {
        if faultWords == nil { faultWords = words }
        terminate()
    }

    func terminate() {
        guard !hasEnded else { return }
        if let process = launched.process {
            kill(process.pid, SIGKILL)
        } else {
            closeSocket()
            loop.enqueue { [self] in end() }
        }
    }

    private func end() {
        guard !hasEnded else { return }
        var words = "has ended"
        if let process = launched.process {
            // What it started dies with it, before its process id is free for another.
            _ = clinux_kill_session(process.pid, process.pid, nil)
            receive(turns: 1024)
            drainOutput()
            drainErrors()
            if let line = output.flush() { tell([line], isError: false) }
            if let line = errors.flush() { tell([line], isError: true) }
            words = reap(process.pid)
            for descriptor in [process.pidDescriptor, process.output, process.error] {
                loop.unwatch(descriptor)
                close(descriptor)
            }
        }
        hasEnded = true
        closeSocket()
        if let faultWords { words = faultWords }
        callbacks.ended(words)
    }

    private func reap(_ pid: Int32) -> String {
        var code: Int32 = 0
        var signal: Int32 = 0
        guard clinux_reap(pid, &code, &signal) == 1 else { return "has ended" }
        return (signal > 0 ? ExitStatus.signal(signal) : .code(code)).description
    }
}
