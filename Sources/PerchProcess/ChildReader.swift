// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Reads what a child process prints as it comes, until its end. What the child leaves running then is ended.
package struct ChildReader: Sendable {
    package enum Piece: Sendable, Hashable {
        case output([UInt8])
        case error([UInt8])
        /// The instant came first.
        case silence
        /// It has ended, and what it printed has been read. It was reaped: its number may be another's.
        case ended(ExitStatus)
    }

    private let child: ChildProcess
    /// Those that are still open.
    private var descriptors: [Int32]
    /// Nil: it runs.
    private var status: ExitStatus?
    /// So much is still read after its end: what has left its group may print on.
    private var left = 1 << 20
    private static let portion = 1 << 14

    package init(_ child: ChildProcess) {
        self.child = child
        descriptors = [child.output, child.error]
    }

    /// The next piece. Blocks. Whoever prints without end is neither longer lived nor later than others: its end and the instant are
    /// looked at first.
    /// - Parameter limit: An instant of `monotonic`; `Int64.max`: whenever it comes.
    package mutating func next(until limit: Int64) -> Piece {
        while true {
            if status == nil {
                lookForEnd()
                if status == nil, limit <= Self.monotonic() { return .silence }
            }
            if left > 0 {
                for index in descriptors.indices where descriptors[index] >= 0 {
                    guard let bytes = read(index) else { continue }
                    if status != nil { left -= bytes.count }
                    return index == 0 ? .output(bytes) : .error(bytes)
                }
            }
            if let status { return .ended(status) }
            let left = limit == .max ? Int64.max : limit - Self.monotonic()
            wait(max(0, Int32(min(left / 1_000 + 1, 60_000))))
        }
    }

    /// Until something can be read, or it has ended.
    private func wait(_ milliseconds: Int32) {
        var entries = (descriptors + [child.pidDescriptor]).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        _ = poll(&entries, nfds_t(entries.count), milliseconds)
    }

    private mutating func lookForEnd() {
        var entry = pollfd(fd: child.pidDescriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 0) > 0 else { return }
        // What it left running would hold the pipes open. Before it is collected: until then the number is its own.
        kill(-child.pid, SIGKILL)
        status = child.reap()
    }

    /// What is there in one of the pipes at this moment; nil: nothing.
    private mutating func read(_ index: Int) -> [UInt8]? {
        var count = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: Self.portion) { buffer, filled in
            count = Glibc.read(descriptors[index], buffer.baseAddress, buffer.count)
            filled = max(0, count)
        }
        if count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) { descriptors[index] = -1 }
        return count > 0 ? bytes : nil
    }

    /// How long it may really take is no matter of the engine's clock, which may be a test's.
    package static func monotonic() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }
}
