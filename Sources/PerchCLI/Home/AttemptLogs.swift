// SPDX-License-Identifier: Apache-2.0

internal import PerchAPIServer
internal import PerchExecutor
internal import PerchMetastore
internal import PerchSDK

/// The logs of a home's attempts for those who read them a page at a time.
struct AttemptLogs {
    let home: Home
    let metastore: Metastore

    /// Lines of a try's log after so many of them; nil where it has none by now. However long the log is, no more of it is in
    /// memory than the page, which ends early behind long lines.
    func page(
        _ key: TaskInstanceKey, _ tryNumber: Int, after: Int, limit: Int
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
        var page = Gathering(left: after, limit: limit)
        page.add(before)
        if let reader, !page.hasMore {
            let part = try await reader.part(
                after: page.left, most: limit - page.lines.count, bytes: APISurroundings.LogPage.mostBytes)
            page.add(part)
        }
        page.add(behind)
        return APISurroundings.LogPage(lines: page.lines, hasMore: page.hasMore)
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
