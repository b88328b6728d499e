// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension HTML {
    /// An instant in UTC, to the second; nothing where there is none.
    static func time(_ instant: Timestamp?) -> HTML {
        guard let instant else { return "<span class=\"soft\">–</span>" }
        return "<time datetime=\"\(instant.description)\">\(instant.pageText)</time>"
    }

    /// How long ago an instant is, or how far ahead; the instant itself is told beside it to machines.
    static func ago(_ instant: Timestamp?, now: Timestamp) -> HTML {
        guard let instant else { return "<span class=\"soft\">–</span>" }
        // Clocks of machines differ by less than anybody wants to know.
        if abs((instant - now).microseconds / 1_000_000) == 0 {
            return "<time datetime=\"\(instant.description)\">now</time>"
        }
        let span = instant <= now ? "\((now - instant).brief) ago" : "in \((instant - now).brief)"
        return "<time datetime=\"\(instant.description)\">\(span)</time>"
    }

    /// How long something took, or has taken so far.
    static func duration(from start: Timestamp?, to end: Timestamp?, now: Timestamp) -> HTML {
        guard let start else { return "<span class=\"soft\">–</span>" }
        return "<span class=\"num\">\(((end ?? now) - start).brief)</span>"
    }
}

extension Timestamp {
    /// `2026-01-01 06:00:00`, in UTC.
    var pageText: String { String(description.prefix(19)).replacing("T", with: " ") }
}

extension TimeSpan {
    /// In two units at most: `350ms`, `4.2s`, `3m 12s`, `2h 5m`, `3d 4h`.
    var brief: String {
        let micros = Swift.max(0, microseconds)
        let seconds = micros / 1_000_000
        switch seconds {
        case 0: return "\(micros / 1_000)ms"
        case ..<10: return "\(seconds).\(micros % 1_000_000 / 100_000)s"
        case ..<60: return "\(seconds)s"
        case ..<3_600: return "\(seconds / 60)m" + (seconds % 60 == 0 ? "" : " \(seconds % 60)s")
        case ..<86_400: return "\(seconds / 3_600)h" + (seconds / 60 % 60 == 0 ? "" : " \(seconds / 60 % 60)m")
        default: return "\(seconds / 86_400)d" + (seconds / 3_600 % 24 == 0 ? "" : " \(seconds / 3_600 % 24)h")
        }
    }
}

extension BinaryInteger {
    /// With a mark at each thousand.
    var grouped: String {
        let digits = String(magnitude)
        var text = ""
        for (place, digit) in digits.enumerated() {
            if place > 0, (digits.count - place) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return (self < 0 ? "-" : "") + text
    }
}
