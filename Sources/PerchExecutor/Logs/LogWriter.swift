// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization

/// The thread that writes attempt logs. It sleeps while there is nothing to write.
final class LogWriter: Sendable {
    /// What is to be written to one file.
    private struct Addition {
        /// Only where the file is there already.
        var ifThere: [UInt8] = []
        /// Only where it is not, and there is something that has to be written.
        var past: [UInt8]?
        /// In any case.
        var always: [UInt8] = []
    }

    private struct State {
        /// What is to be written, by file, and the files in the order of their first line.
        var pending: [String: Addition] = [:]
        var order: [String] = []
        var bytes = 0
        var dropped: [String: Int] = [:]
        var waiters: [CheckedContinuation<Void, Never>] = []
        var isRunning = false
        var isClosing = false
        var lastFailure: String?
    }

    /// What may wait for the disk; more is dropped, with a note in the log.
    private static let most = 64 << 20

    private let directory: String
    private let state = Mutex(State())
    private let signal = Signal()

    init(directory: String) { self.directory = directory }

    var lastFailure: String? { state.withLock { $0.lastFailure } }

    /// - Parameter past: What comes before the bytes where the file is new; nil: the bytes are not worth a new file.
    func append(_ bytes: [UInt8], to file: String, past: [UInt8]?) {
        state.withLock { state in
            guard !state.isClosing else { return }
            if state.bytes > Self.most {
                state.dropped[file, default: 0] += 1
                return
            }
            if state.pending[file] == nil { state.order.append(file) }
            Self.add(bytes, past, to: &state.pending[file, default: Addition()])
            state.bytes += bytes.count
            if !state.isRunning { start(&state) }
        }
        signal.raise()
    }

    private static func add(_ bytes: [UInt8], _ past: [UInt8]?, to addition: inout Addition) {
        guard past != nil || addition.past != nil else { return addition.ifThere.append(contentsOf: bytes) }
        addition.past = addition.past ?? past
        addition.always.append(contentsOf: bytes)
    }

    func flush() async {
        await withCheckedContinuation { waiter in
            let isIdle = state.withLock { state in
                guard state.isRunning else { return true }
                state.waiters.append(waiter)
                return false
            }
            if isIdle { waiter.resume() } else { signal.raise() }
        }
    }

    func close() async {
        await flush()
        state.withLock { $0.isClosing = true }
        signal.raise()
    }

    private func start(_ state: inout State) {
        state.isRunning = true
        WorkerThread.start(name: "perch-logs") { self.run() }
    }

    private func run() {
        var made = Set<String>()
        while true {
            let (batch, waiters, isOver) = state.withLock { state in
                let batch = state.order.map { file in
                    var addition = state.pending[file] ?? Addition()
                    if let count = state.dropped[file] {
                        let note = "(\(count) lines were dropped: the disk was slower than the task)\n"
                        Self.add(Array(note.utf8), [], to: &addition)
                    }
                    return (file, addition)
                }
                let waiters = state.waiters
                state.pending = [:]
                state.order = []
                state.dropped = [:]
                state.bytes = 0
                state.waiters = []
                let isOver = state.isClosing && batch.isEmpty
                if isOver { state.isRunning = false }
                return (batch, waiters, isOver)
            }
            for (file, addition) in batch { write(addition, to: file, &made) }
            for waiter in waiters { waiter.resume() }
            if isOver { return }
            if batch.isEmpty, waiters.isEmpty { signal.wait() }
        }
    }

    private func write(_ addition: Addition, to file: String, _ made: inout Set<String>) {
        let path = "\(directory)/\(file)"
        let flags = O_WRONLY | O_APPEND | O_CLOEXEC
        let existing = open(path, flags)
        if existing >= 0 { return write(addition.ifThere + addition.always, to: existing, path) }
        guard errno == ENOENT || errno == ENOTDIR else { return fail(path) }
        guard let past = addition.past else { return }
        let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        if !made.contains(folder) {
            make(folder)
            if made.count > 10_000 { made.removeAll() }
            made.insert(folder)
        }
        var descriptor = open(path, flags | O_CREAT, 0o640)
        if descriptor < 0, errno == ENOENT {
            // The folder was removed by a clean-up meanwhile.
            make(folder)
            descriptor = open(path, flags | O_CREAT, 0o640)
        }
        guard descriptor >= 0 else { return fail(path) }
        write(past + addition.always, to: descriptor, path)
    }

    private func write(_ bytes: [UInt8], to descriptor: Int32, _ path: String) {
        defer { Glibc.close(descriptor) }
        bytes.withUnsafeBytes { buffer in
            var written = 0
            while written < buffer.count {
                let rest = UnsafeRawBufferPointer(rebasing: buffer[written...])
                let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return fail(path) }
                written += count
            }
        }
    }

    private func make(_ folder: String) {
        var index = folder.startIndex
        while let slash = folder[index...].dropFirst().firstIndex(of: "/") {
            mkdir(String(folder[..<slash]), 0o750)
            index = slash
        }
        mkdir(folder, 0o750)
    }

    private func fail(_ path: String) {
        let message = "the log \(path) cannot be written: \(String(cString: strerror(errno)))"
        state.withLock { $0.lastFailure = message }
    }
}

/// A thread that blocks, away from the executors.
enum WorkerThread {
    private final class Start {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    static func start(name: StaticString, _ body: @escaping @Sendable () -> Void) {
        let box = Unmanaged.passRetained(Start(body))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body()
                return nil
            }, box.toOpaque())
        precondition(failure == 0, "the system has no thread left for \(name)")
        pthread_detach(thread)
    }
}

/// Wakes one sleeping thread; raised any number of times, it wakes once.
final class Signal: @unchecked Sendable {
    // A semaphore is made for being shared; it never moves.
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    private let isRaised = Atomic(false)

    init() { sem_init(semaphore, 0, 0) }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func raise() {
        if !isRaised.exchange(true, ordering: .acquiringAndReleasing) { sem_post(semaphore) }
    }

    func wait() {
        while sem_wait(semaphore) != 0 {}
        isRaised.store(false, ordering: .releasing)
    }
}
