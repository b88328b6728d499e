// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchExecutor
internal import PerchMetastore
internal import PerchSDK

/// Where the bytes of a log come from.
protocol LogSource {
    /// Some of what has been added since the last time; empty where there is nothing more by now.
    mutating func next() async throws -> [UInt8]
    /// How many bytes there are by now.
    mutating func size() async throws -> Int64
    /// Goes on from a byte.
    mutating func seek(to byte: Int64) throws
}

/// The log in a file of the home.
final class LogFile: LogSource {
    private let path: String
    private let descriptor: Int32

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

    func next() throws -> [UInt8] {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw TextFile.fault("read", path) }
            return Array(chunk[..<count])
        }
    }

    func size() throws -> Int64 {
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { throw TextFile.fault("read", path) }
        return Int64(facts.st_size)
    }

    func seek(to byte: Int64) throws {
        guard lseek(descriptor, off_t(byte), SEEK_SET) == off_t(byte) else { throw TextFile.fault("read", path) }
    }
}

/// Reads an attempt's log as it grows.
final class LogReader {
    private var source: any LogSource
    /// What was read and not shown.
    private var ahead: [UInt8] = []
    private var pending: [UInt8] = []

    init(_ source: any LogSource) { self.source = source }

    /// Reads the log of an attempt; nil where there is none by now.
    static func of(_ attempt: AttemptView, _ path: String, _ shared: SharedLogs?) async throws -> LogReader? {
        guard let shared else { return try LogFile(path: path).map { LogReader($0) } }
        return try await shared.source(attempt.row.key, attempt.log, file: path).map { LogReader($0) }
    }

    private func next() async throws -> [UInt8] {
        guard !ahead.isEmpty else { return try await source.next() }
        defer { ahead = [] }
        return ahead
    }

    /// Passes over lines with which the log begins, as far as it does.
    func skip(_ lines: [String]) async throws {
        for line in lines {
            let bytes = Array((line + "\n").utf8)
            while ahead.count < bytes.count {
                let more = try await source.next()
                if more.isEmpty { break }
                ahead += more
            }
            guard ahead.starts(with: bytes) else { return }
            ahead.removeFirst(bytes.count)
        }
    }

    /// Every line that has been added since the last time.
    func lines() async throws -> [String] {
        var bytes: [UInt8] = []
        while true {
            let more = try await next()
            if more.isEmpty { break }
            bytes += more
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// Some lines of a log.
    struct Part {
        var lines: [String] = []
        /// How many lines there are up to here.
        var passed = 0
        /// So many bytes have the lines up to here; nil where the last of them has no end yet.
        var bytes: Int64? = 0
        /// Whether others come behind them by now.
        var hasMore = false
    }

    /// Lines after so many of them: at most so many, and as many as have so many bytes together, one at least. What comes before
    /// and behind is not kept, nor of a line what it has more than so many bytes.
    func part(after: Int, most: Int, bytes: Int) async throws -> Part {
        var part = Part()
        var line: [UInt8] = []
        var (size, unsaid) = (0, 0)
        var place: Int64 = 0
        func text() -> String {
            String(decoding: line, as: UTF8.self) + (unsaid > 0 ? " … (\(unsaid) bytes more)" : "")
        }
        while true {
            let more = try await next()
            for byte in more {
                let isShown = part.passed >= after
                if isShown, part.lines.count == most || (size + line.count > bytes && !part.lines.isEmpty) {
                    part.hasMore = true
                    return part
                }
                place += 1
                guard byte == UInt8(ascii: "\n") else {
                    if !isShown { continue }
                    if line.count < bytes { line.append(byte) } else { unsaid += 1 }
                    continue
                }
                part.passed += 1
                part.bytes = place
                guard isShown else { continue }
                part.lines.append(text())
                size += line.count
                line.removeAll(keepingCapacity: true)
                unsaid = 0
            }
            guard more.isEmpty else { continue }
            if !line.isEmpty {
                part.lines.append(text())
                part.passed += 1
                part.bytes = nil
            }
            return part
        }
    }

    /// Goes on from a byte at which a line begins. False where none does, and then nothing was read.
    func seek(to byte: Int64) async throws -> Bool {
        guard byte > 0, byte <= (try await source.size()) else { return byte == 0 }
        try source.seek(to: byte - 1)
        ahead = try await source.next()
        guard ahead.first == UInt8(ascii: "\n") else {
            ahead = []
            try source.seek(to: 0)
            return false
        }
        ahead.removeFirst()
        return true
    }

    /// The last lines of a log: so many at most, of as many bytes at its end.
    /// - Returns: `passed` is nil where more comes before those bytes: how many lines are there was not looked at.
    func tail(most: Int, bytes: Int) async throws -> (lines: [String], passed: Int?) {
        let start = max(0, try await source.size() - Int64(bytes))
        try source.seek(to: start)
        var end: [UInt8] = []
        // It may grow meanwhile: what comes then is on the next page.
        while end.count < bytes {
            let more = try await source.next()
            if more.isEmpty { break }
            end += more
        }
        if end.last == UInt8(ascii: "\n") { end.removeLast() }
        guard !end.isEmpty else { return ([], start > 0 ? nil : 0) }
        var lines = end.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        // The first one may have begun before; where there is no other it is shown as far as it is here.
        let isCut = start > 0 && lines.count == 1
        if start > 0, !isCut { lines.removeFirst() }
        let texts = lines.suffix(most).map { (isCut ? "… " : "") + String(decoding: $0, as: UTF8.self) }
        return (texts, start > 0 ? nil : lines.count - texts.count)
    }

    /// Copies what has been added since the last time. On a terminal, what it would obey is made visible.
    func copyNew(to console: Console) async throws {
        while true {
            let chunk = try await next()
            if chunk.isEmpty { return }
            guard console.isTerminal else {
                try console.raw(chunk)
                continue
            }
            pending += chunk
            // Up to the last whole line: a character may be cut in two at the end of the chunk.
            guard let end = pending.lastIndex(of: UInt8(ascii: "\n")) else { continue }
            let text = SafeText.neutralised(String(decoding: pending[...end], as: UTF8.self), keepsLines: true)
            try console.raw(text.utf8)
            pending.removeSubrange(...end)
        }
    }
}
