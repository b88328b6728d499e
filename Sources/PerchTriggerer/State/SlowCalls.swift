// SPDX-License-Identifier: Apache-2.0

/// Which calls held the thread for too long, and which of them are worth a line in the log: one in a while for each name.
struct SlowCalls {
    /// What is said of a call.
    struct Note: Hashable {
        /// Slow calls of this name since the last line about it, this one included.
        var count: Int
        /// The longest of them, in microseconds.
        var longest: Int64
    }

    private struct Silence {
        var until: Int64
        var kept: Note
    }

    /// What takes longer than this many microseconds is slow.
    static let bound: Int64 = 10_000
    /// For so many microseconds one name is not named again.
    static let pause: Int64 = 10_000_000
    private var silences: [String: Silence] = [:]
    /// Slow calls since the start, by the kinds of their source.
    private(set) var counts: [String: Int] = [:]

    /// Counts a slow call of a source.
    mutating func count(_ kinds: String) { counts[kinds, default: 0] += 1 }

    /// Takes a slow call; what to say now, nil where its name stood in the log a moment ago.
    mutating func took(_ span: Int64, _ name: String, at now: Int64) -> Note? {
        var note = silences[name]?.kept ?? Note(count: 0, longest: 0)
        note.count += 1
        note.longest = max(note.longest, span)
        if let silence = silences[name], now < silence.until {
            silences[name]?.kept = note
            return nil
        }
        silences[name] = Silence(until: now + Self.pause, kept: Note(count: 0, longest: 0))
        return note
    }
}
