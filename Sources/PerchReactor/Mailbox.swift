// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import Synchronization

/// What other threads hand to the loop. The eventfd is written only when the loop sleeps, so a burst is one wake-up.
final class Mailbox: Sendable {
    enum Item {
        case job(UnownedJob)
        case action(@Sendable () -> Void)
    }

    private struct State {
        var items: [Item] = []
        var isAsleep = false
        var isClosed = false
    }

    let descriptor: Int32
    private let state = Mutex(State())

    init() throws {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard descriptor >= 0 else { throw ReactorError(call: "eventfd", number: errno) }
    }

    func put(_ item: Item) {
        let mustWake = state.withLock { state in
            state.items.append(item)
            defer { state.isAsleep = false }
            return state.isAsleep
        }
        if mustWake { wake() }
    }

    func close() {
        let mustWake = state.withLock { state in
            state.isClosed = true
            defer { state.isAsleep = false }
            return state.isAsleep
        }
        if mustWake { wake() }
    }

    /// Everything that was put since the last time; nil once the mailbox is closed and empty. `spare` becomes the next
    /// buffer, so that a steady load allocates nothing.
    func take(_ spare: inout [Item]) -> Bool {
        state.withLock { state in
            if state.items.isEmpty { return !state.isClosed }
            swap(&state.items, &spare)
            return true
        }
    }

    /// Whether the loop may sleep: nothing was put meanwhile. From here on, `put` wakes it.
    func fallAsleep() -> Bool {
        state.withLock { state in
            guard state.items.isEmpty, !state.isClosed else { return false }
            state.isAsleep = true
            return true
        }
    }

    func awake() {
        state.withLock { $0.isAsleep = false }
    }

    private func wake() {
        var one: UInt64 = 1
        // The counter cannot be full, for the loop is asleep and has read it.
        _ = write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    func drainWakeUps() {
        var count: UInt64 = 0
        // Nothing to read is as good as read.
        _ = read(descriptor, &count, MemoryLayout<UInt64>.size)
    }

    func shutDown() {
        _ = Glibc.close(descriptor)
    }
}
