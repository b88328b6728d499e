// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
package import PerchOutputs
package import PerchSDK
internal import Synchronization

/// The bundle as a process: reads the engine's messages from a socket on a thread of its own, and runs the code of
/// tasks on threads that the reading never shares. What the messages mean is `DispatchHost`'s.
public final class BundleHost: Sendable {
    private let dispatches: DispatchHost
    private let outbox: Outbox
    private let executor: ElasticExecutor
    private let slices = SliceWatch()
    private let descriptor: Int32
    private let conduct: HostConduct
    private let onEnd = Mutex<CheckedContinuation<Void, Never>?>(nil)

    /// Serves the engine at the other end of a socket until it hangs up. As a process it does not return then, but ends
    /// itself and everything that it has started; it returns once the engine has drained it.
    ///
    /// - Parameters:
    ///   - dags: What the bundle declares.
    ///   - triggers: The triggers that it hosts beside those of its sensors.
    ///   - descriptor: The socket; 0, standard input, where the engine started this process.
    ///   - clock: The time of log lines and of what the context journals.
    ///   - bundleVersion: Nil: made from the executable's file, so that every build has another one.
    ///   - randomBits: The generator of what the context journals.
    ///   - conduct: A process of its own, or a guest in another one.
    ///   - outputs: Where outputs go that are too long for their rows; nil: they all go to the engine.
    ///   - held: How long the code of an attempt holds its thread before that is told.
    ///   - reading: Gives all that the bundle has, read from files; asked again whenever the engine wants a description.
    ///     Nil: it has `dags`, as long as it lives.
    package static func run(
        dags: [DAG], triggers: [any AsyncTrigger.Type] = [], descriptor: Int32, clock: any PerchClock,
        bundleVersion: String? = nil,
        randomBits: @escaping @Sendable () -> UInt64 = { UInt64.random(in: .min ... .max) },
        conduct: HostConduct = .process, outputs: OutputKeeping? = nil, held: TimeSpan = .seconds(10),
        reading: (@Sendable () -> BundleContents)? = nil
    ) async {
        let socket = conduct.isProcess ? setUpProcess(descriptor) : descriptor
        let host = BundleHost(
            dags: dags, triggers: triggers, descriptor: socket, clock: clock,
            bundleVersion: bundleVersion ?? Self.versionOfExecutable(),
            generator: randomBits, conduct: conduct, outputs: outputs, held: held, reading: reading)
        await withCheckedContinuation { continuation in
            host.onEnd.withLock { $0 = continuation }
            HostThread.start { host.read() }
        }
    }

    init(
        dags: [DAG], triggers: [any AsyncTrigger.Type], descriptor: Int32, clock: any PerchClock, bundleVersion: String,
        generator: @escaping @Sendable () -> UInt64, conduct: HostConduct, outputs: OutputKeeping? = nil,
        held: TimeSpan = .seconds(10),
        reading: (@Sendable () -> BundleContents)? = nil
    ) {
        self.descriptor = descriptor
        self.conduct = conduct
        outbox = Outbox(descriptor: descriptor)
        executor = ElasticExecutor()
        dispatches = DispatchHost(
            dags: dags, bundleVersion: bundleVersion, pid: getpid(), clock: clock, executor: executor, outbox: outbox,
            generator: generator, triggers: triggers, outputs: outputs,
            triggerExecutor: { [executor, slices] budget, onHeld in
                TriggerExecutor(threads: executor, watch: slices, budget: budget, onHeld: onHeld)
            },
            attemptExecutor: { [executor, slices] onHeld in
                TriggerExecutor(threads: executor, watch: slices, budget: held, again: true, onHeld: onHeld)
            }, reading: reading, sources: SourceFiles.sources, flushOutput: conduct.flushOutput,
            // The reading thread wakes up, finds everything done and ends.
            onDrained: { [outbox] in outbox.endReading() })
    }

    // MARK: Reading

    /// The life of the reading thread. It allocates little and never waits for anything but the socket.
    private func read() {
        var reader = FrameReader()
        let size = 1 << 16
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
        defer { buffer.deallocate() }
        reading: while true {
            if dispatches.isBusy {
                var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                if poll(&entry, 1, Int32(BundleProtocol.alivePeriod * 1000)) == 0 {
                    dispatches.say(.alive)
                    continue
                }
            }
            let count = Glibc.read(descriptor, buffer.baseAddress, size)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            reader.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            do {
                while let fields = try reader.next() { dispatches.handle(try EngineMessage(fields)) }
            } catch {
                write(to: 2, "perch: the engine broke the protocol: \(error)\n")
                break reading
            }
            if dispatches.isDrained { break }
        }
        if !dispatches.isDrained { conduct.onHangUp() }
        finish()
    }

    /// The end of the reading thread and of the host.
    private func finish() {
        dispatches.abandon()
        let continuation = onEnd.withLock { onEnd in
            defer { onEnd = nil }
            return onEnd
        }
        guard let continuation else { return }
        if !conduct.isProcess {
            outbox.shutDown()
            close(descriptor)
        }
        executor.shutDown()
        slices.shutDown()
        continuation.resume()
    }
}
