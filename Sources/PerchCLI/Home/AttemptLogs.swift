// SPDX-License-Identifier: Apache-2.0

internal import PerchAPIServer
internal import PerchExecutor
internal import PerchMetastore
internal import PerchSDK

/// The logs of a home's attempts for those who read them a page at a time.
struct AttemptLogs {
    let home: Home
    let metastore: Metastore

    /// So many bytes at the end of a log are looked at for its newest lines.
    private static let tailBytes = 512 << 10

    /// Lines of a try's log from a place on; nil where it has none by now. However long the log is, no more of it is in
    /// memory than the page, which ends early behind long lines.
    func page(
        _ key: TaskInstanceKey, _ tryNumber: Int, from start: APISurroundings.LogStart, limit: Int
    ) async throws -> APISurroundings.LogPage? {
        var attempt = try await metastore.read { try AttemptView(key, tryNumber, $0, withPast: false) }
        var reader: LogReader?
        if attempt.source != .rows {
            let path = home.paths.logs + "/" + AttemptLogPath.file(of: key, tryNumber: tryNumber)
            reader = try await LogReader.of(attempt, path, SharedLogs(home, metastore))
        }
        let (before, behind): ([String], [String])
        switch attempt.source {
        // Code that has said something has said all of it there.
        case .file where reader != nil: (before, behind) = ([], [])
        case .file, .rows:
            attempt = try await metastore.read { try AttemptView(key, tryNumber, $0) }
            (before, behind) = (attempt.lines, [])
            guard !before.isEmpty else { return nil }
        case .rowsAroundFile:
            (before, behind) = (Array(attempt.lines.prefix(1)), Array(attempt.lines.dropFirst(1)))
            guard reader != nil || !before.isEmpty else { return nil }
        }
        switch start {
        case .newest: return try await Self.newest(before, reader, behind, limit)
        case .behind(let place): return try await Self.page(before, reader, behind, place, limit)
        }
    }

    private static func page(
        _ before: [String], _ reader: LogReader?, _ behind: [String], _ place: APISurroundings.LogPlace, _ limit: Int
    ) async throws -> APISurroundings.LogPage {
        var page = Gathering(left: place.line, limit: limit)
        page.add(before)
        var end: Int64?
        if let reader, !page.hasMore {
            var first: Int64 = 0
            if let byte = place.byte, place.line > before.count, try await reader.seek(to: byte) {
                (first, page.left) = (byte, 0)
            }
            let part = try await reader.part(
                after: page.left, most: limit - page.lines.count, bytes: APISurroundings.LogPage.mostBytes)
            page.add(part)
            if part.hasMore { end = part.bytes.map { first + $0 } }
        }
        page.add(behind)
        return APISurroundings.LogPage(
            lines: page.lines, hasMore: page.hasMore, first: place.line + 1,
            next: APISurroundings.LogPlace(line: place.line + page.lines.count, byte: end))
    }

    private static func newest(
        _ before: [String], _ reader: LogReader?, _ behind: [String], _ limit: Int
    ) async throws -> APISurroundings.LogPage {
        let middle = try await reader?.tail(most: limit, bytes: tailBytes) ?? ([], 0)
        var lines = middle.lines + behind
        var passed = middle.passed.map { $0 + before.count }
        // What comes before is near the end where all that comes between is here.
        if middle.passed == 0 { (lines, passed) = (before + lines, 0) }
        let cut = max(0, lines.count - limit)
        return APISurroundings.LogPage(
            lines: Array(lines.dropFirst(cut)), hasMore: false, first: passed.map { $0 + cut + 1 })
    }
}

/// A page of a log that comes from several places.
private struct Gathering {
    /// Lines that are still to be passed over.
    var left: Int
    let limit: Int
    var lines: [String] = []
    var bytes = 0
    var hasMore = false

    init(left: Int, limit: Int) {
        self.left = left
        self.limit = limit
    }

    mutating func add(_ more: [String]) {
        for line in more where !hasMore {
            guard left == 0 else {
                left -= 1
                continue
            }
            let size = line.utf8.count
            guard lines.count < limit, lines.isEmpty || bytes + size <= APISurroundings.LogPage.mostBytes else {
                hasMore = true
                return
            }
            lines.append(line)
            bytes += size
        }
    }

    /// What was read behind those that are still to be passed over.
    mutating func add(_ part: LogReader.Part) {
        left = max(0, left - part.passed)
        lines += part.lines
        bytes += part.lines.reduce(0) { $0 + $1.utf8.count }
        hasMore = part.hasMore
    }
}
