// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Lines of an attempt's log as objects.
enum LogRecords {
    static func show(_ lines: [String], _ format: OutputFormat) throws {
        var listing = Listing(format)
        try listing.add(lines.map(record))
        try listing.finish(empty: "no lines")
    }

    /// `2026-01-01T00:00:00.000Z INFO words`. A line that is none of that kind is all message.
    static func record(_ line: String) -> Record {
        let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
        let level = parts.count < 2 ? nil : AttemptLogLevel(rawValue: parts[1].lowercased())
        let instant = try? Timestamp(parsing: parts[0])  // because a line need not begin with one
        guard let level, let instant else {
            return ["timestamp": .instant(nil), "level": .text(nil), "message": .text(line)]
        }
        return [
            "timestamp": .instant(instant), "level": .text(level.rawValue),
            "message": .text(parts.count > 2 ? parts[2] : ""),
        ]
    }
}
