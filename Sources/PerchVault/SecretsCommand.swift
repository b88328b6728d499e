// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchProcess
package import PerchSDK
internal import Synchronization

/// A program that looks secrets up elsewhere: it is run with `get connection ID`, `get variable KEY` or `get secret NAME`,
/// prints the value, and exits with 3 where there is none. Its answers are kept for a while, that there is none, too.
package final class SecretsCommand: Sendable {
    /// The exit code that says that there is no such thing.
    package static let absentCode: Int32 = 3
    private static let longest = 1 << 20

    private struct Kept {
        var found: FoundSecret?
        var until: Timestamp
    }

    private let words: [String]
    private let timeout: TimeSpan
    private let keep: TimeSpan
    private let clock: any PerchClock
    private let kept = Mutex<[SecretName: Kept]>([:])

    /// A program.
    ///
    /// - Parameters:
    ///   - command: Its absolute path, and arguments before those that are added, with spaces between.
    ///   - timeout: How long it may take; then it is killed.
    ///   - keep: How long an answer is kept.
    /// - Throws: `PerchError` (`invalid`) where it is no absolute path.
    package init(
        _ command: String, timeout: TimeSpan, keep: TimeSpan, clock: any PerchClock
    ) throws(PerchError) {
        words = command.split(separator: " ").map(String.init)
        guard let path = words.first, path.hasPrefix("/") else {
            throw PerchError(
                .invalid, "secrets.command is the absolute path of a program, not '\(command.shown(60))'")
        }
        self.timeout = timeout
        self.keep = keep
        self.clock = clock
    }

    /// What stands behind a name; nil where the program has nothing. It holds up the caller's thread.
    /// - Throws: `PerchError` that names the program and the name, never what it has printed.
    package func find(_ name: SecretName) throws(PerchError) -> FoundSecret? {
        let now = clock.now
        if let known = kept.withLock({ $0[name] }), known.until > now { return known.found }
        let found = try ask(name)
        kept.withLock { kept in
            if kept.count > 10_000 { kept = kept.filter { $0.value.until > now } }
            kept[name] = Kept(found: found, until: now + keep)
        }
        return found
    }

    private func ask(_ name: SecretName) throws(PerchError) -> FoundSecret? {
        let child: ChildProcess
        do throws(ChildProcess.Failure) {
            child = try ChildProcess.start(
                path: words[0], arguments: words + ["get", name.kind.rawValue, name.name],
                environment: ChildProcess.environment, leadsSession: true)
        } catch {
            throw fault(.unavailable, name, "cannot be started: \(error)")
        }
        defer { child.closeDescriptors() }
        let answer = collect(child)
        guard let (bytes, status) = answer else { throw fault(.unavailable, name, "took longer than \(timeout)") }
        switch status {
        case .code(0): break
        case .code(Self.absentCode): return nil
        default: throw fault(.unavailable, name, "\(status); what it has printed is not repeated here")
        }
        guard bytes.count <= Self.longest else { throw fault(.invalid, name, "printed more than 1 MiB") }
        guard var text = String(validating: bytes, as: UTF8.self) else {
            throw fault(.invalid, name, "printed what is not UTF-8")
        }
        if text.hasSuffix("\n") { text.removeLast() }
        do throws(PerchError) {
            return try FoundSecret(text, as: name)
        } catch {
            throw fault(.invalid, name, "printed no \(name.kind.rawValue): \(error.message)")
        }
    }

    /// What it printed and how it ended; nil where it had to be killed.
    private func collect(_ child: ChildProcess) -> (bytes: [UInt8], status: ExitStatus)? {
        let limit = Self.monotonic() + timeout.microseconds
        var bytes: [UInt8] = []
        var entries = [child.output, child.error, child.pidDescriptor].map {
            pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
        }
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let left = limit - Self.monotonic()
            guard left > 0 else {
                kill(-child.pid, SIGKILL)
                // The one that was killed ends at once.
                var ended = pollfd(fd: child.pidDescriptor, events: Int16(POLLIN), revents: 0)
                while poll(&ended, 1, -1) < 0, errno == EINTR {}
                _ = child.reap()
                return nil
            }
            let count = poll(&entries, nfds_t(entries.count), Int32(min(left / 1_000 + 1, 60_000)))
            if count < 0, errno != EINTR { continue }
            for index in 0..<2 where entries[index].revents != 0 {
                let count = read(entries[index].fd, &buffer, buffer.count)
                if count > 0 {
                    if index == 0, bytes.count <= Self.longest { bytes.append(contentsOf: buffer[..<count]) }
                } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
                    entries[index].fd = -1
                }
            }
            guard entries[2].revents != 0 else { continue }
            // What it left running would hold the pipe open. Before it is collected: until then the number is its own.
            kill(-child.pid, SIGKILL)
            guard let status = child.reap() else { continue }
            while true {
                let count = entries[0].fd < 0 ? 0 : read(entries[0].fd, &buffer, buffer.count)
                guard count > 0, bytes.count <= Self.longest else { break }
                bytes.append(contentsOf: buffer[..<count])
            }
            return (bytes, status)
        }
    }

    /// How long it may really take is no matter of the engine's clock, which may be a test's.
    private static func monotonic() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }

    private func fault(_ code: PerchError.Code, _ name: SecretName, _ what: String) -> PerchError {
        PerchError(code, "secrets.command \(words[0]) \(what), asked for \(name)")
    }
}
