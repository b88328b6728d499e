// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import PerchReactor
internal import PerchSDK
internal import Synchronization

/// Threads for calls that block, with their results on the loop's thread. A thread ends when there is nothing to do.
final class WorkerThreads {
    /// What the threads and the loop share.
    private final class Shared: Sendable {
        struct State {
            var work: [@Sendable () -> (number: Int, result: any Sendable)] = []
            var results: [(number: Int, result: any Sendable)] = []
            var threads = 0
        }

        let state = Mutex(State())
        let descriptor: Int32
        let name: String

        init(name: String) throws {
            self.name = name
            descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
            guard descriptor >= 0 else { throw ReactorError(call: "eventfd", number: errno) }
        }

        deinit { Glibc.close(descriptor) }

        func work() {
            clinux_name_thread(name)
            while true {
                let next = state.withLock { state -> (@Sendable () -> (number: Int, result: any Sendable))? in
                    if state.work.isEmpty {
                        state.threads -= 1
                        return nil
                    }
                    return state.work.removeFirst()
                }
                guard let next else { return }
                let result = next()
                state.withLock { $0.results.append(result) }
                var one: UInt64 = 1
                // A counter that is full wakes the loop as well.
                _ = write(descriptor, &one, MemoryLayout<UInt64>.size)
            }
        }
    }

    private let loop: any EventLoop
    private let most: Int
    private let shared: Shared
    private var waiting: [Int: (any Sendable) -> Void] = [:]
    private var last = 0
    private var isClosed = false

    /// - Throws: `ReactorError` where the kernel gives no descriptor.
    init(loop: any EventLoop, most: Int, name: String) throws {
        self.loop = loop
        self.most = most
        shared = try Shared(name: name)
        try loop.watch(shared.descriptor, for: .read) { [weak self] _ in self?.take() }
    }

    /// Runs a call on a thread; `done` gets its result in a later turn of the loop.
    func run<Result: Sendable>(_ call: @escaping @Sendable () -> Result, done: @escaping (Result) -> Void) {
        guard !isClosed else { return }
        last += 1
        let number = last
        waiting[number] = { result in
            if let result = result as? Result { done(result) }
        }
        let mustStart = shared.state.withLock { state in
            state.work.append { (number, call()) }
            guard state.threads < most else { return false }
            state.threads += 1
            return true
        }
        if mustStart, !start() {
            // Somebody else takes the work, or the next one that comes; with no thread at all the call's own bound ends it.
            shared.state.withLock { $0.threads -= 1 }
        }
    }

    private func start() -> Bool {
        let box = Unmanaged.passRetained(shared)
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, &attributes,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Shared>.fromOpaque(argument).takeRetainedValue().work()
                return nil
            }, box.toOpaque())
        pthread_attr_destroy(&attributes)
        if failure != 0 { box.release() }
        return failure == 0
    }

    private func take() {
        var count: UInt64 = 0
        // Nothing to read is as good as read.
        _ = read(shared.descriptor, &count, MemoryLayout<UInt64>.size)
        let results = shared.state.withLock { state in
            defer { state.results = [] }
            return state.results
        }
        for (number, result) in results { waiting.removeValue(forKey: number)?(result) }
    }

    /// Waits for nothing more. A call that blocks ends by itself.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        loop.unwatch(shared.descriptor)
        waiting = [:]
        shared.state.withLock { $0.work = [] }
    }

    deinit { close() }
}
