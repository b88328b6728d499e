// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import PerchSDK

/// Files that hold secrets: read only where nobody else may, made so that nobody else can.
package enum PrivateFile {
    private static let longest = 8 << 20

    /// The text of a file; nil where there is none.
    /// - Throws: `PerchError`: `unavailable` where it cannot be read, or others may read or change it; `invalid` where it is no
    ///   text.
    package static func readIfPresent(
        _ path: String, _ what: String, groupMayRead: Bool
    ) throws(PerchError) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw fault("read", path)
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw fault("look at", path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw PerchError(.unavailable, "\(what) \(path) is no file")
        }
        let others: mode_t = groupMayRead ? 0o027 : 0o077
        guard status.st_mode & others == 0 else {
            let mode = String(status.st_mode & 0o777, radix: 8)
            throw PerchError(
                .unavailable,
                "\(what) \(path) is open to others (mode \(mode)): make it yours alone with `chmod 600 \(path)`")
        }
        guard status.st_size <= longest else {
            throw PerchError(.invalid, "\(what) \(path) is longer than \(longest) bytes")
        }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw fault("read", path) }
            if count == 0 || bytes.count > longest { break }
            bytes.append(contentsOf: chunk[..<count])
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw PerchError(.invalid, "\(what) \(path) is not UTF-8 text")
        }
        return text
    }

    /// Writes a new file that only its owner can read. An existing one is refused.
    package static func create(_ path: String, _ text: String) throws(PerchError) {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw fault("create", path) }
        defer { close(file) }
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw fault("write", path) }
            written += count
        }
        guard fsync(file) == 0 else { throw fault("write", path) }
    }

    /// Makes the name of a file durable; on a disk that cannot, it is as durable as the disk lets it.
    static func syncDirectory(of path: String) {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let directory = open(folder.isEmpty ? "/" : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { return }
        fsync(directory)
        close(directory)
    }

    static func fault(_ doing: String, _ path: String) -> PerchError {
        PerchError(.unavailable, "cannot \(doing) \(path): \(String(cString: strerror(errno)))")
    }
}
