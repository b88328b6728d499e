// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// Whole files of text, read and written with errors that name the path.
enum TextFile {
    /// The text of a file; nil where there is none.
    static func readIfPresent(_ path: String) throws -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw fault("read", path)
        }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(file, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw fault("read", path) }
            if count == 0 { break }
            bytes.append(contentsOf: chunk[..<count])
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw PerchError(.invalid, "\(path) is not UTF-8 text")
        }
        return text
    }

    /// Writes a new file. An existing one is refused.
    static func create(_ path: String, _ text: String) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
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
    }

    static func fault(_ doing: String, _ path: String) -> PerchError {
        PerchError(.unavailable, "cannot \(doing) \(path): \(String(cString: strerror(errno)))")
    }
}
