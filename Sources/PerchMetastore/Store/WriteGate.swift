// SPDX-License-Identifier: Apache-2.0

import Glibc
import PerchSDK

/// Lets the commands of a home write beside an engine that commits without a pause.
///
/// SQLite's own lock has no queue: who asks while another commits group after group may never get it. A command holds
/// this file's lock while it waits and writes; the engine looks between groups whether somebody holds it, and lets them go
/// first, but never waits longer than `patience` for one that is stopped.
final class WriteGate: Sendable {
    private let descriptor: Int32
    private static let patience: Int32 = 100  // milliseconds

    init(path: String) throws {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw PerchError(.unavailable, "cannot open \(path): \(String(cString: strerror(errno)))")
        }
    }

    deinit {
        close(descriptor)
    }

    /// The engine, between two groups.
    func letOthersPass() {
        for _ in 0..<Self.patience {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 {
                flock(descriptor, LOCK_UN)
                return
            }
            usleep(1000)
        }
    }

    /// A command, around its write. Waits at most five seconds.
    func enter() throws {
        for _ in 0..<5_000 {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return }
            usleep(1000)
        }
        throw PerchError(.unavailable, "another command has been writing to the metastore for five seconds: try again")
    }

    /// A command, after its write.
    func leave() {
        flock(descriptor, LOCK_UN)
    }
}
