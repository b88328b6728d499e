// SPDX-License-Identifier: Apache-2.0

public import PerchBundle
public import PerchMetastore
internal import PerchSDK

/// What a journal tells of a try: the log of one that has said nothing itself.
public enum AttemptPast {
    /// A line for each wait, and one for its end, in order.
    /// - Throws: `PerchError` (`invalid`) where an entry cannot be read.
    public static func lines(_ journal: [JournalEntry]) throws -> [LogLine] {
        var lines: [LogLine] = []
        for entry in journal where entry.kind == .wait {
            let trigger = try TriggerSpec(json: JSONValue(parsingEnvelope: entry.payload))
            lines.append(line(entry.recordedAt, AttemptWords.wait(entry.key, trigger, nil)))
            if entry.outcome != nil {
                lines.append(line(entry.firedAt ?? entry.recordedAt, AttemptWords.ended(entry)))
            }
        }
        return lines
    }

    private static func line(_ instant: Timestamp, _ message: String) -> LogLine {
        LogLine(at: instant, level: .info, message: message)
    }
}
