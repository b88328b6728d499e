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
    /// memory than the page.
    func page(
        _ key: TaskInstanceKey, _ tryNumber: Int, after: Int, limit: Int
    ) async throws -> APISurroundings.LogPage? {
        let attempt = try await metastore.read { try AttemptView(key, tryNumber, $0) }
        var reader: LogReader?
        if attempt.source != .rows {
            let path = home.paths.logs + "/" + AttemptLogPath.file(of: key, tryNumber: tryNumber)
            reader = try await LogReader.of(attempt, path, SharedLogs(home, metastore))
        }
        var lines: [String]
        if attempt.source == .file, let reader {
            lines = try await reader.lines(after: after, most: limit + 1)
        } else {
            let whole = attempt.whole(try await reader?.lines())
            guard reader != nil || !whole.isEmpty else { return nil }
            lines = Array(whole.dropFirst(after).prefix(limit + 1))
        }
        let hasMore = lines.count > limit
        if hasMore { lines.removeLast() }
        return APISurroundings.LogPage(lines: lines, hasMore: hasMore)
    }
}
