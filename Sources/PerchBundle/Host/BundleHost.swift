// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
public import PerchSDK
internal import Synchronization

/// The bundle's side of the protocol: reads the engine's messages on a thread of its own, and runs each dispatch as a
/// Swift task on threads that the reading never shares.
public final class BundleHost: Sendable {
    let outbox: Outbox
    let clock: any PerchClock
    let executor: ElasticExecutor
    private let descriptor: Int32
    private let dags: [DAG]
    private let code: [String: [String: TaskCode]]
    private let bundleVersion: String
    private let conduct: HostConduct
    private let generator: @Sendable () -> UInt64

    private struct State {
        var attempts: [Int64: JournaledAttempt] = [:]
        var isDraining = false
        var onEnd: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    /// Serves the engine at the other end of a socket until it hangs up. As a process it does not return then, but ends
    /// itself and everything that it has started; it returns once the engine has drained it.
    ///
    /// - Parameters:
    ///   - dags: What the bundle declares.
    ///   - descriptor: The socket; 0, standard input, where the engine started this process.
    ///   - clock: The time of log lines and of what the context journals.
    ///   - bundleVersion: Nil: made from the executable's file, so that every build has another one.
    ///   - randomBits: The generator of what the context journals.
    ///   - conduct: A process of its own, or a guest in another one.
    public static func run(
        dags: [DAG], descriptor: Int32, clock: any PerchClock, bundleVersion: String? = nil,
        randomBits: @escaping @Sendable () -> UInt64 = { UInt64.random(in: .min ... .max) },
        conduct: HostConduct = .process
    ) async {
        let socket = conduct.isProcess ? setUpProcess(descriptor) : descriptor
        let host = BundleHost(
            dags: dags, descriptor: socket, clock: clock, bundleVersion: bundleVersion ?? Self.versionOfExecutable(),
            generator: randomBits, conduct: conduct)
        await withCheckedContinuation { continuation in
            host.state.withLock { $0.onEnd = continuation }
            HostThread.start { host.read() }
        }
    }

    init(
        dags: [DAG], descriptor: Int32, clock: any PerchClock, bundleVersion: String,
        generator: @escaping @Sendable () -> UInt64, conduct: HostConduct
    ) {
        self.dags = dags
        self.descriptor = descriptor
        self.clock = clock
        self.bundleVersion = bundleVersion
        self.generator = generator
        self.conduct = conduct
        outbox = Outbox(descriptor: descriptor)
        executor = ElasticExecutor()
        var code: [String: [String: TaskCode]] = [:]
        for dag in dags {
            for (task, body) in zip(dag.definition.tasks, dag.code) {
                code[dag.definition.dagID, default: [:]][task.taskID] = body
            }
        }
        self.code = code
    }

    func randomBits() -> UInt64 { generator() }

    /// Sends what is always short enough for a frame.
    func say(_ message: BundleMessage, mayWait: Bool = false) {
        do {
            try outbox.send(message, mayWait: mayWait)
        } catch {
            write(to: 2, "perch: a message to the engine was dropped: \(error)\n")
        }
    }

    // MARK: Reading

    /// The life of the reading thread. It allocates little and never waits for anything but the socket.
    private func read() {
        var reader = FrameReader()
        let size = 1 << 16
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
        defer { buffer.deallocate() }
        reading: while true {
            if state.withLock({ !$0.attempts.isEmpty }) {
                var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                if poll(&entry, 1, Int32(BundleProtocol.alivePeriod * 1000)) == 0 {
                    say(.alive)
                    continue
                }
            }
            let count = Glibc.read(descriptor, buffer.baseAddress, size)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            reader.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            do {
                while let fields = try reader.next() { handle(try EngineMessage(fields)) }
            } catch {
                write(to: 2, "perch: the engine broke the protocol: \(error)\n")
                break reading
            }
            if isDrained { break }
        }
        if !isDrained { conduct.onHangUp() }
        finish()
    }

    /// Whether all is done that was asked for before a `drain`.
    private var isDrained: Bool { state.withLock { $0.isDraining && $0.attempts.isEmpty } }

    private func handle(_ message: EngineMessage) {
        switch message {
        case .hello:
            say(.hello(protocolVersion: BundleProtocol.version, bundleVersion: bundleVersion, pid: getpid()))
        case .describe:
            describe()
        case .run(let order):
            start(order)
        case .recorded(let dispatchID, let key):
            attempt(dispatchID)?.recorded(key)
        case .refused(let dispatchID):
            attempt(dispatchID)?.refuse()
        case .cancel(let dispatchID, let notice, let isLast):
            attempt(dispatchID)?.cancel(notice, isLast: isLast)
        case .drain:
            state.withLock { $0.isDraining = true }
        case .unknown(let type):
            write(to: 2, "perch: the engine did not understand '\(type)'\n")
        case .unrecognized(let type):
            say(.unknown(messageType: type))
        }
    }

    private func attempt(_ dispatchID: Int64) -> JournaledAttempt? {
        state.withLock { $0.attempts[dispatchID] }
    }

    private func describe() {
        let problems = DAG.problems(in: dags).map(\.description)
        var texts: [String] = []
        var size = 0
        for text in dags.map(\.definition.text) {
            size += text.utf8.count
            if size <= BundleProtocol.longestPiece {
                texts.append(text)
            } else {
                sendInPieces(text)
            }
        }
        let description = BundleDescription(bundleVersion: bundleVersion, dags: texts, problems: problems)
        do {
            try outbox.send(.described(description))
        } catch {
            say(
                .described(
                    BundleDescription(
                        bundleVersion: bundleVersion, dags: [],
                        problems: ["the bundle's DAGs cannot be described: \(error)"])))
        }
    }

    /// A definition that makes the description too long for one frame goes ahead of it, piece by piece.
    private func sendInPieces(_ text: String) {
        var rest = text.utf8[...]
        while !rest.isEmpty {
            var end =
                rest.index(rest.startIndex, offsetBy: BundleProtocol.longestPiece, limitedBy: rest.endIndex)
                ?? rest.endIndex
            // A piece is a string of its own: it ends between two characters.
            while end < rest.endIndex, rest[end] & 0xC0 == 0x80 { end = rest.index(before: end) }
            let piece = String(decoding: rest[..<end], as: UTF8.self)
            rest = rest[end...]
            say(.definition(text: piece, isLast: rest.isEmpty))
        }
    }

    // MARK: Running

    private func start(_ order: RunOrder) {
        let (dagID, taskID) = (order.facts.dagID, order.facts.taskID)
        guard let code = code[dagID]?[taskID] else {
            let message = "this bundle has no code for the task '\(taskID)' of the DAG '\(dagID)'"
            return say(.result(dispatchID: order.dispatchID, .failure(message: message, retryable: false)))
        }
        let attempt = JournaledAttempt(order: order, host: self)
        state.withLock { $0.attempts[order.dispatchID] = attempt }
        attempt.start {
            let result: Result<TaskOutput, any Error>
            do {
                let context = TaskContext(runtime: attempt)
                result = .success(try await code.run(context, order.inputs, order.mapElement))
            } catch {
                result = .failure(error)
            }
            self.end(attempt, with: await attempt.conclude(result))
        }
    }

    private func end(_ attempt: JournaledAttempt, with message: BundleMessage) {
        let isLast = state.withLock { state in
            state.attempts[attempt.dispatchID] = nil
            return state.isDraining && state.attempts.isEmpty
        }
        conduct.flushOutput()
        do {
            try outbox.send(message)
        } catch {
            let failure = AttemptOutcome.failure(message: "its output is too large: \(error)", retryable: false)
            say(.result(dispatchID: attempt.dispatchID, failure))
        }
        // The reading thread wakes up, finds everything done and ends.
        if isLast { shutdown(descriptor, Int32(SHUT_RD)) }
    }

    /// The end of the reading thread and of the host.
    private func finish() {
        let (attempts, continuation) = state.withLock { state in
            defer {
                state.attempts = [:]
                state.onEnd = nil
            }
            return (state.attempts, state.onEnd)
        }
        for (_, attempt) in attempts.sorted(by: { $0.key < $1.key }) { attempt.refuse() }
        guard let continuation else { return }
        if !conduct.isProcess {
            outbox.shutDown()
            close(descriptor)
        }
        executor.shutDown()
        continuation.resume()
    }
}
