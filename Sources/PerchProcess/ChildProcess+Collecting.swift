// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// What a child process has printed until its end.
package struct CollectedOutput: Sendable {
    package var output: [UInt8] = []
    package var errors: [UInt8] = []
    /// More was printed than is kept: it was read, and is not here.
    package var isCut = false
    package var status = ExitStatus.code(0)

    fileprivate mutating func take(_ bytes: ArraySlice<UInt8>, isError: Bool, longest: Int) {
        let room = longest - (isError ? errors.count : output.count)
        if bytes.count > room { isCut = true }
        if isError { errors += bytes.prefix(room) } else { output += bytes.prefix(room) }
    }
}

extension ChildProcess {
    /// Waits for its end, and gives what it printed. What it leaves running is ended. Blocks; its descriptors stay open.
    ///
    /// - Parameters:
    ///   - timeout: How long it may take, in microseconds of the machine's time; it is killed afterwards.
    ///   - longest: How much of each of its outputs is kept, in bytes.
    /// - Returns: Nil where it had to be killed.
    package func collect(timeout: Int64, longest: Int) -> CollectedOutput? {
        let limit = Self.monotonic() + timeout
        var collected = CollectedOutput()
        var entries = [output, error, pidDescriptor].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let left = limit - Self.monotonic()
            guard left > 0 else {
                kill(-pid, SIGKILL)
                // The one that was killed ends at once.
                var ended = pollfd(fd: pidDescriptor, events: Int16(POLLIN), revents: 0)
                while poll(&ended, 1, -1) < 0, errno == EINTR {}
                _ = reap()
                return nil
            }
            let count = poll(&entries, nfds_t(entries.count), Int32(min(left / 1_000 + 1, 60_000)))
            if count < 0 { continue }
            for index in 0..<2 where entries[index].revents != 0 {
                let count = read(entries[index].fd, &buffer, buffer.count)
                if count > 0 {
                    collected.take(buffer[..<count], isError: index == 1, longest: longest)
                } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
                    entries[index].fd = -1
                }
            }
            guard entries[2].revents != 0 else { continue }
            // What it left running would hold the pipes open. Before it is collected: until then the number is its own.
            kill(-pid, SIGKILL)
            guard let status = reap() else { continue }
            for index in 0..<2 where entries[index].fd >= 0 {
                while true {
                    let count = read(entries[index].fd, &buffer, buffer.count)
                    guard count > 0 else { break }
                    collected.take(buffer[..<count], isError: index == 1, longest: longest)
                }
            }
            collected.status = status
            return collected
        }
    }

    /// How long it may really take is no matter of the engine's clock, which may be a test's.
    private static func monotonic() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }
}
