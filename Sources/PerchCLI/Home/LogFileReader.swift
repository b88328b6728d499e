// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// Reads an attempt's log as it grows.
final class LogFileReader {
    let path: String
    private let descriptor: Int32
    private var pending: [UInt8] = []

    /// Opens the log; nil where it does not exist.
    init?(path: String) throws {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw TextFile.fault("read", path)
        }
    }

    deinit { close(descriptor) }

    /// Passes over lines with which the log begins, as far as it does.
    func skip(_ lines: [String]) throws {
        for line in lines {
            let bytes = Array((line + "\n").utf8)
            var found = [UInt8](repeating: 0, count: bytes.count)
            let start = lseek(descriptor, 0, SEEK_CUR)
            guard read(descriptor, &found, found.count) == bytes.count, found == bytes else {
                lseek(descriptor, start, SEEK_SET)
                return
            }
        }
    }

    /// Every line that has been added since the last time.
    func lines() throws -> [String] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw TextFile.fault("read", path) }
            if count == 0 { break }
            bytes.append(contentsOf: chunk[..<count])
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// Copies what has been added since the last time. On a terminal, what it would obey is made visible.
    func copyNew(to console: Console) throws {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw TextFile.fault("read", path) }
            if count == 0 { return }
            guard console.isTerminal else {
                try console.raw(chunk[..<count])
                continue
            }
            pending.append(contentsOf: chunk[..<count])
            // Up to the last whole line: a character may be cut in two at the end of the chunk.
            guard let end = pending.lastIndex(of: UInt8(ascii: "\n")) else { continue }
            let text = SafeText.neutralised(String(decoding: pending[...end], as: UTF8.self), keepsLines: true)
            try console.raw(text.utf8)
            pending.removeSubrange(...end)
        }
    }
}
