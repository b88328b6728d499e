// SPDX-License-Identifier: Apache-2.0
import Foundation
import FuzzSupport
import PerchSDK
import Testing

@Suite("Fuzz: instants and lengths of time") struct TimeFuzzTests {
    private static func fits(_ text: String, _ pattern: String) -> Bool {
        text.range(of: "^(?:\(pattern))\\z", options: .regularExpression) != nil && !text.hasSuffix("\n")
    }

    @Test("an instant that is read is printed so that it is read again, and is what the calendar says") func instants()
        throws
    {
        let form =
            #"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2}))?"#
        try Fuzz.run("instants", count: 3_000) { source in
            func two(_ range: ClosedRange<Int>) -> String { String(format: "%02d", source.int(range)) }
            let year = String(format: "%04d", source.pick([0, 1, 1_600, 1_900, 1_970, 2_000, 2_024, 2_026, 9_999]))
            var text = "\(year)-\(two(1...12))-\(two(1...31))"
            if source.one(in: 2) {
                text += "T\(two(0...23)):\(two(0...59)):\(two(0...59))" + source.pick(["", ".5", ".000001", ".999999"])
                text += source.pick(["Z", "+00:00", "-23:59", "+14:00"])
            }
            if source.one(in: 2) { text = source.mutated(text, with: "2026-01-01T06:00:00Z") }
            guard let instant = try Fuzz.accepted({ try Timestamp(parsing: text) }) else { return }
            try Fuzz.check(Self.fits(text, form), "taken: '\(text)'")
            try Fuzz.same(try Timestamp(parsing: instant.description), instant, "'\(text)' as '\(instant)'")
            var wall = tm()
            wall.tm_year = Int32(text.prefix(4))! - 1_900
            wall.tm_mon = Int32(text.dropFirst(5).prefix(2))! - 1
            wall.tm_mday = Int32(text.dropFirst(8).prefix(2))!
            let midnight = Int64(timegm(&wall)) * 1_000_000
            try Fuzz.check(abs(instant.microseconds - midnight) < 2 * 86_400_000_000, "'\(text)' is \(instant)")
            if text.utf8.count == 10 { try Fuzz.same(instant.microseconds, midnight, text) }
        }
    }

    @Test("every instant is printed, and those that have a text of their own are read again") func anyInstant() throws {
        try Fuzz.run("any instant", count: 2_000) { source in
            let instant = Timestamp(microseconds: source.integer())
            let text = instant.description
            if let back = try Fuzz.accepted({ try Timestamp(parsing: text) }) { try Fuzz.same(back, instant, text) }
            _ = (instant.dateText, instant.textWithoutDashes, instant.date)
            let other = Timestamp(microseconds: source.integer())
            try Fuzz.check(
                (other - instant).microseconds == 0
                    ? other == instant : ((other - instant).microseconds > 0) == (other > instant),
                "\(other.microseconds) - \(instant.microseconds)")
            let date = Date(
                timeIntervalSince1970: source.pick([source.double(), Double(source.integer()), -0x1p63, .nan]))
            _ = Timestamp(date)
            _ = TimeSpan(Duration.seconds(source.integer()))
        }
    }

    @Test("every length of time is read again as it was printed, and nothing else is taken") func spans() throws {
        try Fuzz.run("spans", count: 3_000) { source in
            let span = TimeSpan(microseconds: source.integer())
            try Fuzz.same(try TimeSpan(parsing: span.description), span, span.description)
            let text = source.mutated(span.description, with: source.pick(["1h30m", "250ms", "2d"]))
            guard let read = try Fuzz.accepted({ try TimeSpan(parsing: text) }) else { return }
            try Fuzz.check(
                Self.fits(text, "-?(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?([0-9]+us)?"),
                "taken: '\(text)'")
            try Fuzz.same(try TimeSpan(parsing: read.description), read, text)
        }
    }
}
