// SPDX-License-Identifier: Apache-2.0

import Glibc
import PerchSDK
import Synchronization

/// Says that a process works on a home beside its engine. Any number hold it; a migration has it alone.
final class MemberLock: Sendable {
    private let descriptor: Mutex<Int32?>

    /// - Parameter purpose: What the metastore has to be, for which nobody else may work on it.
    /// - Throws: `conflict` where `isAlone` and others hold it, or where somebody has it alone.
    init(path: String, isAlone: Bool, purpose: String = "migrated") throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw PerchError(.unavailable, "cannot open \(path): \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, (isAlone ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 else {
            close(descriptor)
            throw PerchError(
                .conflict,
                isAlone
                    ? "the metastore has to be \(purpose), and a triggerer or a worker works on it: stop that first"
                    : "the metastore is being migrated or copied: try again in a moment")
        }
        self.descriptor = Mutex(descriptor)
    }

    func release() {
        descriptor.withLock { held in
            if let descriptor = held { close(descriptor) }
            held = nil
        }
    }
}
