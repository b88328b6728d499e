// SPDX-License-Identifier: Apache-2.0

import Glibc
import PerchSDK

/// The write-ahead log of a metastore, as a file.
enum SQLiteLog {
    /// How long it grows before SQLite writes it from its beginning again; see `wal_autocheckpoint`.
    private static let size: off_t = 4_000 * (4_096 + 24)

    /// Fills the log up with zeros, to the length that it will have. A commit that makes the file longer has the file system
    /// write down its length, too, which takes a third of the commit's time; SQLite takes zeros for the end of the log.
    ///
    /// To be called while the connection holds the write lock: nobody else writes or shortens the log then.
    static func fill(_ path: String) throws(PerchError) {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            // There is none before something was written.
            if errno == ENOENT { return }
            throw fault(path, "open")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw fault(path, "look at") }
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        var end = status.st_size
        while end < size {
            let count = pwrite(descriptor, zeros, min(zeros.count, Int(size - end)), end)
            if count < 0, errno == EINTR { continue }
            // On a full disk the log stays as long as it is: what needs the room will say so.
            if count <= 0 { break }
            end += off_t(count)
        }
        guard fdatasync(descriptor) == 0 else { throw fault(path, "sync") }
    }

    private static func fault(_ path: String, _ action: String) -> PerchError {
        PerchError(.metastore, "cannot \(action) \(path): \(String(cString: strerror(errno)))")
    }
}
