// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// Writes rows into a file beside the one that is meant, and puts it there when all of it is on disk: nobody sees half a file.
final class FileTarget: RowTarget {
    private let path: String
    private let part: String
    private let folder: String
    private let writer: any RowWriter
    private var file: Int32
    private var buffer: [UInt8] = []
    private var rows = 0
    private var bytes = 0

    /// - Parameter mark: What makes the name of the part unique among those who write there.
    init(_ path: String, _ format: DataFormat, mark: String) throws {
        self.path = path
        let name = path.split(separator: "/").last.map(String.init) ?? path
        let parent = path.lastIndex(of: "/").map { String(path[..<$0]) }
        folder = parent.map { $0.isEmpty ? "/" : $0 } ?? "."
        // A name may have 255 bytes.
        part = "\(folder)/.\(name.prefix(60)).\(mark).part"
        writer = format.writer()
        var status = stat()
        let isThere = stat(path, &status) == 0
        if isThere, status.st_mode & S_IFMT != S_IFREG {
            throw NonRetryable("\(path.shown(300)) is there, and no file")
        }
        file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o666)
        guard file >= 0 else { throw failure("made") }
        if isThere, fchmod(file, status.st_mode & 0o7777) != 0 {
            let error = failure("given its permissions")
            abandon()
            throw error
        }
    }

    deinit { if file >= 0 { close(file) } }

    func begin(_ columns: [String]) throws { writer.begin(columns, &buffer) }

    func write(_ rows: [[SQLCell]], first: Int) throws {
        for row in rows {
            writer.row(row, &buffer)
            if buffer.count >= 256 << 10 { try flush() }
        }
        self.rows += rows.count
    }

    private func flush() throws {
        var start = 0
        while start < buffer.count {
            let count = buffer.withUnsafeBytes { Glibc.write(file, $0.baseAddress! + start, $0.count - start) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("written") }
            start += count
        }
        bytes += buffer.count
        buffer.removeAll(keepingCapacity: true)
    }

    func finish() throws -> (rows: Int, bytes: Int) {
        writer.end(&buffer)
        try flush()
        guard fsync(file) == 0 else { throw failure("written to disk") }
        let closed = close(file)
        file = -1
        guard closed == 0 else { throw failure("closed") }
        guard rename(part, path) == 0 else { throw failure("put in its place") }
        let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw failure("made to last") }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw failure("made to last") }
        return (rows, bytes)
    }

    func abandon() {
        if file >= 0 { close(file) }
        file = -1
        unlink(part)
    }

    private func failure(_ what: String) -> PerchError {
        PerchError(.unavailable, "\(path.shown(300)) cannot be \(what): \(String(cString: strerror(errno)))")
    }
}
