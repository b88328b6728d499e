// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import PerchSDK
import Synchronization

/// The lock of a home: one engine at a time. The kernel frees it when the process ends, however it ends.
final class EngineLock: Sendable {
    private let descriptor: Mutex<Int32?>

    init(path: String) throws {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw PerchError(.unavailable, "cannot open \(path): \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let holder = Self.holder(path: path).map { "process \($0)" } ?? "another process"
            close(descriptor)
            let home = (path as NSString).deletingLastPathComponent
            throw PerchError(.conflict, "the home \(home) is in use by \(holder): stop it first, or use another --home")
        }
        let text = "\(getpid())\n"
        guard ftruncate(descriptor, 0) == 0,
            text.utf8.withContiguousStorageIfAvailable({ pwrite(descriptor, $0.baseAddress, $0.count, 0) == $0.count })
                == true
        else {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            throw PerchError(.unavailable, "cannot write \(path): \(reason)")
        }
        self.descriptor = Mutex(descriptor)
    }

    func release() {
        descriptor.withLock { held in
            if let descriptor = held { close(descriptor) }
            held = nil
        }
    }

    private static func holder(path: String) -> Int32? {
        guard let text = FileManager.default.contents(atPath: path) else { return nil }
        return Int32(String(decoding: text, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))
    }
}
