// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// A line of an attempt's log, taken apart: `2026-01-01T00:00:00.000Z INFO words`.
package struct AttemptLogText: Sendable, Hashable {
    /// Nil, as is the level, for a line that is none of that kind: then all of it is message.
    package var timestamp: Timestamp?
    package var level: AttemptLogLevel?
    package var message: String

    package init(_ line: String) {
        let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
        let level = parts.count < 2 ? nil : AttemptLogLevel(rawValue: parts[1].lowercased())
        let instant = try? Timestamp(parsing: parts[0])  // because a line need not begin with one
        guard let level, let instant else {
            message = line
            return
        }
        timestamp = instant
        self.level = level
        message = parts.count > 2 ? parts[2] : ""
    }
}
