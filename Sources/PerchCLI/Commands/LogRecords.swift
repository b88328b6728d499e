// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
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
        let parts = AttemptLogText(line)
        return [
            "timestamp": .instant(parts.timestamp), "level": .text(parts.level?.rawValue),
            "message": .text(parts.message),
        ]
    }
}
