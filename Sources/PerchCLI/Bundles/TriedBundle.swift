// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import PerchBundle
internal import PerchExecutor
internal import PerchProcess
internal import PerchSDK

/// What a bundle did otherwise than the protocol says, in a sentence that follows "it".
struct BundleFault: Error {
    var words: String

    init(_ words: String) { self.words = words }
}

/// An executable that is tried as a bundle: started as an engine starts it, and spoken to by hand.
final class TriedBundle {
    private let process: LaunchedBundle.Process
    private let socket: Int32
    private let clock: any PerchClock
    private let patience: TimeSpan
    private var reader = FrameReader()
    private var unsent: [UInt8] = []
    private var isSocketOpen = true
    private var hasHungUp = false
    private var hasEnded = false
    private var errors = LineAssembler()
    private var lastError: String?
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)

    /// Starts it.
    ///
    /// - Parameters:
    ///   - patience: How long it has for each answer.
    ///   - conditions: Under which an engine would start it.
    /// - Throws: `PerchError` (`unavailable`) where it cannot be started.
    init(
        _ executable: BundleExecutable, patience: TimeSpan, clock: any PerchClock, conditions: BundleConditions
    ) throws {
        let launched = try ProcessLauncher(
            home: "bundles check", executable: executable.path, conditions: conditions
        ).start()
        guard let process = launched.process else { preconditionFailure("what is launched is a process") }
        self.process = process
        socket = launched.socket
        self.patience = patience
        self.clock = clock
    }

    deinit {
        kill(process.pid, SIGKILL)
        // What it has started goes while its process id is its own still.
        _ = clinux_kill_session(process.pid, process.pid, nil)
        var entry = pollfd(fd: process.pidDescriptor, events: Int16(POLLIN), revents: 0)
        _ = poll(&entry, 1, 5_000)
        var (code, signal): (Int32, Int32) = (0, 0)
        if !hasEnded { _ = clinux_reap(process.pid, &code, &signal) }
        hangUp()
        for descriptor in [process.pidDescriptor, process.output, process.error] { close(descriptor) }
        buffer.deallocate()
    }

    var pid: Int32 { process.pid }

    // MARK: Saying

    /// Sends messages in one piece.
    func send(_ messages: EngineMessage...) throws {
        var writer = FrameWriter()
        for message in messages { try writer.append(message) }
        try send(writer.bytes)
    }

    /// Sends frames with these texts, of which nobody looks whether they are messages.
    func send(_ texts: String...) throws { try send(texts.flatMap(Self.frame)) }

    /// Sends bytes.
    func send(_ bytes: [UInt8]) throws {
        unsent = bytes
        try work("has not read what was sent to it") { unsent.isEmpty }
    }

    /// A text with its length before it.
    static func frame(_ text: String) -> [UInt8] { header(text.utf8.count) + Array(text.utf8) }

    /// The bytes before a frame of a length.
    static func header(_ length: Int) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) }
    }

    /// Closes the socket.
    func hangUp() {
        guard isSocketOpen else { return }
        isSocketOpen = false
        close(socket)
    }

    // MARK: Hearing

    /// The next message but for those that may come at any time.
    ///
    /// - Parameter wanted: What it is to be, for the fault where none comes: `a hello`.
    func next(_ wanted: String) throws -> BundleMessage {
        // Bounded, for a bundle may log without end.
        for _ in 0..<100_000 {
            var found: BundleMessage?
            try work("has said nothing where \(wanted) was due") {
                found = try reader.next().map { try BundleMessage($0) }
                return found != nil
            }
            switch found {
            case .log, .alive, .held, .rendered, nil: continue
            case let message?: return message
            }
        }
        throw BundleFault("logs without end where \(wanted) was due")
    }

    /// Says hello, and gives the answer.
    func greet() throws -> (versions: ProtocolVersions, bundleVersion: String) {
        try send(.hello(protocolVersion: BundleProtocol.version))
        return try hello(after: "'hello'")
    }

    /// Reads its hello.
    func hello(after what: String) throws -> (versions: ProtocolVersions, bundleVersion: String) {
        let message = try next("a 'hello'")
        guard case .hello(let newest, let bundleVersion, _, let oldest) = message else {
            throw BundleFault("has answered \(what) with \(Self.words(message)), not with 'hello'")
        }
        return (ProtocolVersions(newest: newest, oldest: oldest), bundleVersion)
    }

    /// How it ended, once it has; what it says meanwhile is not listened to.
    func end(_ after: String) throws -> ExitStatus {
        let limit = clock.now + patience
        while true {
            var (code, signal): (Int32, Int32) = (0, 0)
            if hasEnded || clinux_reap(process.pid, &code, &signal) == 1 {
                hasEnded = true
                return signal > 0 ? .signal(signal) : .code(code)
            }
            guard try turn(until: limit, watchingEnd: true) else {
                throw BundleFault("goes on \(patience) after \(after); it is to end then")
            }
        }
    }

    /// A message's type, for people.
    static func words(_ message: BundleMessage) -> String {
        var writer = FrameWriter()
        do {
            try writer.append(message)
            var reader = FrameReader()
            writer.bytes.withUnsafeBytes { reader.append($0) }
            return "'\(try reader.next()?.type.shown() ?? "")'"
        } catch {
            return "a message that is too long"
        }
    }

    // MARK: The work

    /// Writes and reads until something is done.
    private func work(_ lack: String, until isDone: () throws -> Bool) throws {
        let limit = clock.now + patience
        do {
            while try !isDone() {
                if hasHungUp { throw BundleFault("\(try ending()) where more was due from it\(hint)") }
                guard try turn(until: limit) else { throw BundleFault("\(lack), for \(patience)\(hint)") }
            }
        } catch let error as BundleProtocolError {
            throw BundleFault("broke the protocol: \(error)")
        }
    }

    /// What it last said as an error.
    private var hint: String { lastError.map { "; its last words: \($0.shown(200))" } ?? "" }

    /// How it ended, where it hung up by that.
    private func ending() throws -> String {
        do {
            return try end("it has closed its socket").description
        } catch is BundleFault {
            return "has closed its socket"
        }
    }

    /// Waits for something to happen, and takes it. False where the time is over.
    private func turn(until limit: Timestamp, watchingEnd: Bool = false) throws -> Bool {
        let left = (limit - clock.now).microseconds
        guard left > 0 else { return false }
        let interest = Int16(POLLIN) | (unsent.isEmpty ? 0 : Int16(POLLOUT))
        var entries = [
            pollfd(fd: isSocketOpen && !hasHungUp ? socket : -1, events: interest, revents: 0),
            pollfd(fd: process.output, events: Int16(POLLIN), revents: 0),
            pollfd(fd: process.error, events: Int16(POLLIN), revents: 0),
            pollfd(fd: watchingEnd ? process.pidDescriptor : -1, events: Int16(POLLIN), revents: 0),
        ]
        // A pipe that has come to its end would be ready for ever.
        for (index, isAtEnd) in [(1, isOutputAtEnd), (2, isErrorAtEnd)] where isAtEnd { entries[index].fd = -1 }
        guard poll(&entries, nfds_t(entries.count), Int32(min(left / 1_000 + 1, 60_000))) >= 0 || errno == EINTR else {
            throw TextFile.fault("wait for", "the bundle")
        }
        if entries[1].revents != 0 { isOutputAtEnd = drain(process.output) { _ in } }
        if entries[2].revents != 0 {
            isErrorAtEnd = drain(process.error) { if let last = errors.append($0).last { lastError = last } }
        }
        if entries[0].revents & Int16(POLLOUT) != 0 { write() }
        if entries[0].revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 {
            hasHungUp = drain(socket) { reader.append($0) }
        }
        return true
    }

    private var isOutputAtEnd = false
    private var isErrorAtEnd = false

    private func write() {
        let count = Glibc.send(socket, unsent, unsent.count, Int32(MSG_NOSIGNAL))
        if count > 0 {
            unsent.removeFirst(count)
        } else if errno != EAGAIN, errno != EINTR {
            hasHungUp = true
        }
    }

    /// Reads what is there, up to a bound; true at the end of the stream.
    private func drain(_ descriptor: Int32, _ take: (UnsafeRawBufferPointer) -> Void) -> Bool {
        for _ in 0..<64 {
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return false }
            if count <= 0 { return true }
            take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        return false
    }
}
