// SPDX-License-Identifier: Apache-2.0

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
        guard let answer = child.collect(timeout: timeout.microseconds, longest: Self.longest) else {
            throw fault(.unavailable, name, "took longer than \(timeout)")
        }
        switch answer.status {
        case .code(0): break
        case .code(Self.absentCode): return nil
        default: throw fault(.unavailable, name, "\(answer.status); what it has printed is not repeated here")
        }
        // What it says as errors goes nowhere: it may hold secrets.
        guard answer.output.count < Self.longest else { throw fault(.invalid, name, "printed more than 1 MiB") }
        guard var text = String(validating: answer.output, as: UTF8.self) else {
            throw fault(.invalid, name, "printed what is not UTF-8")
        }
        if text.hasSuffix("\n") { text.removeLast() }
        do throws(PerchError) {
            return try FoundSecret(text, as: name)
        } catch {
            throw fault(.invalid, name, "printed no \(name.kind.rawValue): \(error.message)")
        }
    }

    private func fault(_ code: PerchError.Code, _ name: SecretName, _ what: String) -> PerchError {
        PerchError(code, "secrets.command \(words[0]) \(what), asked for \(name)")
    }
}
