// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing

@testable import PerchReactor

/// Runs `body` on the reactor's thread and hands its result back.
func on<Result: Sendable>(_ reactor: ThreadReactor, _ body: @escaping @Sendable () throws -> Result) async throws
    -> Result
{
    try await withCheckedThrowingContinuation { continuation in
        reactor.submit { continuation.resume(with: Swift.Result { try body() }) }
    }
}

func withReactor<Result>(
    now: @escaping @Sendable () -> Int64 = ThreadReactor.wallClock, _ body: (ThreadReactor) async throws -> Result
) async throws -> Result {
    let reactor = try ThreadReactor(name: "test", now: now, seed: 7)
    reactor.start()
    defer { reactor.stop() }
    return try await body(reactor)
}

actor Pinned {
    nonisolated let reactor: ThreadReactor
    nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }
    private(set) var seen: [Int] = []

    init(_ reactor: ThreadReactor) { self.reactor = reactor }

    func note(_ number: Int) -> Bool {
        seen.append(number)
        return reactor.isCurrent
    }

    /// Callbacks of the loop use the actor's state without a hop.
    func noteFromTimer(_ number: Int) async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let loop = reactor.loop
            _ = loop.schedule(at: loop.now + 1_000) {
                self.assumeIsolated { $0.seen.append(number) }
                continuation.resume()
            }
        }
    }
}

@Suite(.timeLimit(.minutes(1)))
struct ReactorTests {
    @Test("Submissions of one thread run in their order, on the reactor's thread")
    func submissions() async throws {
        try await withReactor { reactor in
            let seen = Mutex<[Int]>([])
            for number in 0..<10_000 { reactor.submit { seen.withLock { $0.append(number) } } }
            let isCurrent = try await on(reactor) { reactor.isCurrent }
            #expect(isCurrent)
            #expect(seen.withLock { $0 } == Array(0..<10_000))
            #expect(!reactor.isCurrent)
        }
    }

    @Test("A burst that comes while the loop is busy is taken in one turn")
    func burst() async throws {
        try await withReactor { reactor in
            let gate = DispatchGate()
            reactor.submit { gate.wait() }
            let first = Mutex(0)
            let last = Mutex(0)
            reactor.submit { first.withLock { $0 = reactor.turns } }
            for _ in 0..<10_000 { reactor.submit {} }
            reactor.submit { last.withLock { $0 = reactor.turns } }
            gate.open()
            _ = try await on(reactor) { 0 }
            // The gate's own turn may have begun before the others came, or have taken some of them along.
            #expect(last.withLock { $0 } - first.withLock { $0 } <= 1)
        }
    }

    @Test("An actor pinned to it runs on its thread, and callbacks of the loop are isolated to it")
    func actors() async throws {
        try await withReactor { reactor in
            let actor = Pinned(reactor)
            for number in 0..<100 { #expect(await actor.note(number)) }
            await actor.noteFromTimer(100)
            #expect(await actor.seen == Array(0...100))
            let current = await Task(executorPreference: reactor) { reactor.isCurrent }.value
            #expect(current)
        }
    }

    @Test("Timers run by deadline, then in the order of their making; cancelled ones do not run")
    func timers() async throws {
        try await withReactor { reactor in
            let order = Mutex<[Int]>([])
            let ended: Int64 = await withCheckedContinuation { continuation in
                reactor.submit {
                    let loop = reactor.loop
                    let start = loop.now
                    _ = loop.schedule(at: start + 20_000) { order.withLock { $0.append(3) } }
                    _ = loop.schedule(at: start + 5_000) { order.withLock { $0.append(1) } }
                    _ = loop.schedule(at: start + 5_000) { order.withLock { $0.append(2) } }
                    let never = loop.schedule(at: start + 6_000) { order.withLock { $0.append(99) } }
                    _ = loop.schedule(at: start - 1) {
                        order.withLock { $0.append(0) }
                        loop.cancel(never)
                        // In the past, from a timer: in the next turn, not in this one, and not never.
                        _ = loop.schedule(at: start - 1) { order.withLock { $0.append(10) } }
                    }
                    _ = loop.schedule(at: start + 20_000) { continuation.resume(returning: loop.now - start) }
                }
            }
            #expect(order.withLock { $0 } == [0, 10, 1, 2, 3])
            #expect(ended >= 20_000)
        }
    }

    @Test("A loop that waits for a timer makes no turns meanwhile")
    func quiet() async throws {
        try await withReactor { reactor in
            let turns: Int = await withCheckedContinuation { continuation in
                reactor.submit {
                    let loop = reactor.loop
                    let before = reactor.turns
                    let far = loop.schedule(at: loop.now + 3_600_000_000) {}
                    _ = loop.schedule(at: loop.now + 60_000) {
                        loop.cancel(far)
                        continuation.resume(returning: reactor.turns - before)
                    }
                }
            }
            #expect(turns <= 3)
        }
    }

    @Test("With another clock, timers run when that clock shows their instant")
    func otherClock() async throws {
        let offset = Mutex<Int64>(-86_400_000_000)
        let clock: @Sendable () -> Int64 = { ThreadReactor.wallClock() + offset.withLock { $0 } }
        try await withReactor(now: clock) { reactor in
            let lateness: Int64 = await withCheckedContinuation { continuation in
                reactor.submit {
                    let due = reactor.loop.now + 10_000
                    _ = reactor.loop.schedule(at: due) { continuation.resume(returning: reactor.loop.now - due) }
                }
            }
            #expect(lateness >= 0)
            #expect(lateness < 5_000_000)

            // The clock is moved an hour ahead: what is due by then runs at the next look.
            let jumped: Int64 = await withCheckedContinuation { continuation in
                reactor.submit {
                    let due = reactor.loop.now + 3_600_000_000
                    _ = reactor.loop.schedule(at: due) { continuation.resume(returning: reactor.loop.now - due) }
                }
                reactor.submit { offset.withLock { $0 += 3_600_000_000 } }
            }
            #expect(jumped >= 0)
        }
    }

    @Test("A watched descriptor reports reading, writing and hang-up until it is unwatched")
    func descriptors() async throws {
        try await withReactor { reactor in
            var pair: [Int32] = [0, 0]
            #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0)
            let (near, far) = (pair[0], pair[1])
            let seen: Readiness = try await withCheckedThrowingContinuation { continuation in
                reactor.submit {
                    do {
                        try reactor.loop.watch(near, for: .read) { readiness in
                            reactor.loop.unwatch(near)
                            continuation.resume(returning: readiness)
                        }
                    } catch { continuation.resume(throwing: error) }
                }
                reactor.submit { _ = write(far, "x", 1) }
            }
            #expect(seen == .read)
            // Interest and callback are replaced by a second watch.
            let second: Readiness = try await withCheckedThrowingContinuation { continuation in
                reactor.submit {
                    do {
                        try reactor.loop.watch(near, for: .read) { _ in }
                        try reactor.loop.watch(near, for: .write) { readiness in
                            reactor.loop.unwatch(near)
                            continuation.resume(returning: readiness)
                        }
                    } catch { continuation.resume(throwing: error) }
                }
            }
            #expect(second == .write)
            let third: Readiness = try await withCheckedThrowingContinuation { continuation in
                reactor.submit {
                    do {
                        try reactor.loop.watch(near, for: []) { readiness in
                            reactor.loop.unwatch(near)
                            continuation.resume(returning: readiness)
                        }
                    } catch { continuation.resume(throwing: error) }
                    close(far)
                }
            }
            #expect(third.contains(.hangUp))
            close(near)
        }
    }

    @Test("A descriptor that cannot be watched is refused with the system's reason")
    func refused() async throws {
        try await withReactor { reactor in
            let file = open("/etc/passwd", O_RDONLY)
            defer { close(file) }
            await #expect(throws: ReactorError(call: "epoll_ctl", number: EPERM)) {
                try await on(reactor) { try reactor.loop.watch(file, for: .read) { _ in } }
            }
            #expect("\(ReactorError(call: "epoll_ctl", number: EPERM))".contains("not permitted"))
        }
    }

    @Test("Stopping runs what was submitted, ends the thread and gives its descriptors back")
    func stopping() throws {
        let before = try descriptorCount()
        let ran = Mutex(0)
        for _ in 0..<400 {
            let reactor = try ThreadReactor(name: "short-lived")
            reactor.start()
            for _ in 0..<10 { reactor.submit { ran.withLock { $0 += 1 } } }
            reactor.stop()
            reactor.stop()
        }
        #expect(ran.withLock { $0 } == 4_000)
        // Other tests open and close descriptors at the same time; a leak would be of 1,200.
        #expect(try descriptorCount() < before + 600)
    }

    private func descriptorCount() throws -> Int {
        guard let directory = opendir("/proc/self/fd") else { throw ReactorError(call: "opendir", number: errno) }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        return count
    }
}

/// Holds a thread until it is opened.
final class DispatchGate: Sendable {
    private let descriptors: [Int32]

    init() {
        var pair: [Int32] = [0, 0]
        _ = pipe(&pair)
        descriptors = pair
    }

    func wait() {
        var byte: UInt8 = 0
        _ = read(descriptors[0], &byte, 1)
    }

    func open() {
        _ = write(descriptors[1], "x", 1)
    }

    deinit {
        for descriptor in descriptors { close(descriptor) }
    }
}
