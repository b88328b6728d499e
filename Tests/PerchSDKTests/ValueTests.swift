// SPDX-License-Identifier: Apache-2.0
import Foundation
import PerchSDK
import Testing

@Suite struct ValueTests {
    @Test(
        "an instant is read and written in RFC 3339",
        arguments: [
            ("2026-01-01", "2026-01-01T00:00:00Z"), ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("2026-07-01T02:30:00+02:00", "2026-07-01T00:30:00Z"), ("2026-01-01t23:59:59z", "2026-01-01T23:59:59Z"),
            ("2026-01-01 23:59:59Z", "2026-01-01T23:59:59Z"), ("2026-01-01T00:00:00.25Z", "2026-01-01T00:00:00.25Z"),
            ("2026-01-01T00:00:00.000001-00:30", "2026-01-01T00:30:00.000001Z"),
            ("2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"), ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.5Z"),
            ("0001-01-01", "0001-01-01T00:00:00Z"), ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ]) func instants(_ text: String, _ shown: String) throws
    {
        #expect(try Timestamp(parsing: text).description == shown)
    }

    @Test(
        "what is no instant is refused",
        arguments: [
            "", "now", "2026", "2026-1-1", "2026-13-01", "2026-00-01", "2026-02-29", "2026-04-31", "2026-01-00",
            "2026-01-01T", "2026-01-01T00:00Z", "2026-01-01T00:00:00", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567Z", "2026-01-01T00:00:00+0200",
            "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00Zx", "2026-01-01 ", " 2026-01-01", "+026-01-01",
            "2026-01-01T00:00:00ZZ", "２０２６-01-01", "-001-01-01",
        ]) func wrongInstants(_ text: String) throws
    {
        let error = try #require(throws: PerchError.self) { try Timestamp(parsing: text) }
        #expect(error.code == .invalid && error.message.contains("2026-01-01T06:00:00Z"))
    }

    @Test("instants survive their texts and dates") func roundTrips() throws {
        var random = Seeded(1)
        for _ in 0..<5_000 {
            let micros = Int64.random(in: -62_135_596_800_000_000...253_402_300_799_999_999, using: &random)
            let instant = Timestamp(microseconds: micros)
            #expect(try Timestamp(parsing: instant.description) == instant)
            let near = Timestamp(microseconds: micros / 64)
            #expect(Timestamp(near.date) == near)
        }
        #expect(Timestamp(Date(timeIntervalSince1970: .infinity)).microseconds == .max)
        #expect(Timestamp(Date(timeIntervalSince1970: -.infinity)).microseconds == .min)
        #expect(Timestamp(Date(timeIntervalSince1970: .nan)).microseconds == .min)
        #expect(
            !Timestamp(microseconds: .max).description.isEmpty && !Timestamp(microseconds: .min).description.isEmpty)
    }

    @Test("instants agree with Foundation") func foundation() throws {
        var random = Seeded(2)
        let style = Date.ISO8601FormatStyle()
        for _ in 0..<2_000 {
            // Foundation's calendar is the Julian one before 1582.
            let seconds = Int64.random(in: -12_000_000_000...20_000_000_000, using: &random)
            let date = Date(timeIntervalSince1970: Double(seconds))
            #expect(Timestamp(microseconds: seconds * 1_000_000).description == date.formatted(style))
        }
    }

    @Test("dates come with and without dashes") func dateTexts() throws {
        let instant = try Timestamp(parsing: "2026-03-04T05:06:07.8Z")
        #expect(instant.dateText == "2026-03-04" && instant.dateTextWithoutDashes == "20260304")
        #expect(instant.textWithoutDashes == "20260304T050607")
    }

    @Test("a date means its first moment in a zone") func dateInZone() throws {
        #expect(try Timestamp(parsing: "2026-01-01", dateIn: "Europe/Paris").description == "2025-12-31T23:00:00Z")
        #expect(try Timestamp(parsing: "2018-11-04", dateIn: "America/Sao_Paulo").description == "2018-11-04T03:00:00Z")
        #expect(
            try Timestamp(parsing: "2026-01-01T00:00:00Z", dateIn: "Europe/Paris").description == "2026-01-01T00:00:00Z"
        )
        #expect(try Timestamp(parsing: "9999-01-01", dateIn: "UTC").description == "9999-01-01T00:00:00Z")
    }

    @Test(
        "a length is read and written with its units",
        arguments: [
            ("90s", 90_000_000, "1m30s"), ("5m", 300_000_000, "5m"), ("1h30m", 5_400_000_000, "1h30m"),
            ("2d", 172_800_000_000, "2d"), ("250ms", 250_000, "250ms"), ("1s1us", 1_000_001, "1s1us"), ("0s", 0, "0s"),
            ("-5m", -300_000_000, "-5m"),
        ]) func lengths(_ text: String, _ micros: Int64, _ shown: String) throws
    {
        let span = try TimeSpan(parsing: text)
        #expect(span.microseconds == micros)
        #expect(span.description == shown)
    }

    @Test(
        "what is no length is refused",
        arguments: [
            "", "-", "5", "m", "5x", "5m5m", "5s1m", "1.5h", " 5m", "5 m", "99999999999999999999s", "106751992d",
            "5m-3s",
        ])
    func wrongLengths(_ text: String) throws {
        let error = try #require(throws: PerchError.self) { try TimeSpan(parsing: text) }
        #expect(error.code == .invalid && error.message.contains("1h30m"))
    }

    @Test("lengths survive their texts") func lengthRoundTrips() throws {
        var random = Seeded(3)
        for _ in 0..<2_000 {
            let shift = Int64.random(in: 0...40, using: &random)
            let span = TimeSpan(microseconds: Int64.random(in: (.min + 1)...(.max), using: &random) >> shift)
            #expect(try TimeSpan(parsing: span.description) == span)
        }
        #expect(!TimeSpan(microseconds: .min).description.isEmpty)
    }

    @Test("units of durations saturate") func durations() {
        #expect(Duration.hours(6) == .seconds(21_600) && Duration.minutes(1.5) == .seconds(90))
        #expect(Duration.days(7) == .seconds(604_800) && Duration.days(.max) > .seconds(1_000_000_000))
        #expect(
            TimeSpan(Duration.days(.max)).microseconds == .max && TimeSpan(Duration.days(.min)).microseconds == .min)
    }

    @Test("values pass through JSON text") func jsonText() throws {
        struct Mixed: Codable, Hashable {
            var date: Date
            var double: Double
            var name: String?
        }
        let mixed = Mixed(date: Date(timeIntervalSince1970: 1.5), double: .infinity)
        let text = try JSONText.encode(mixed)
        #expect(text == #"{"date":"1970-01-01T00:00:01.5Z","double":"Infinity"}"#)
        #expect(try JSONText.decode(Mixed.self, from: text) == mixed)
        #expect(try JSONText.decode(Mixed.self, from: #"{"date":1.5,"double":1}"#).date == mixed.date)
        #expect(try JSONText.encode("a/b") == #""a/b""# && JSONText.decode(Int.self, from: "5") == 5)
        #expect(try JSONText.decode(Int?.self, from: "null") == nil)
        #expect(try JSONText.decode(UInt64.self, from: JSONText.encode(UInt64.max)) == .max)
        let error = try #require(throws: PerchError.self) {
            try JSONText.decode([Row].self, from: #"[{"name":"a","size":"x"}]"#)
        }
        #expect(error.message == "$[0].size is no Int")
        #expect(throws: PerchError.self) { try JSONText.decode(Int.self, from: "{") }
    }

    @Test("a text stays a text, even one that stands for a number that JSON has not")
    func textsOfNumbers() throws {
        let value: JSONValue = ["NaN", "Infinity", "-Infinity", "1", "true", 1, 2.5]
        #expect(try JSONText.decode(JSONValue.self, from: JSONText.encode(value)) == value)
        #expect(try value.decode([JSONValue].self) == ["NaN", "Infinity", "-Infinity", "1", "true", 1, 2.5])
    }

    @Test("an array is cut into its elements untouched") func elements() throws {
        #expect(try JSONText.elements(of: "[]") == [] && JSONText.elements(of: " [ ] ") == [])
        let text = #"[1,"a,]\"\\",[2,[3]],{"x":"}"},18446744073709551615]"#
        let parts = try JSONText.elements(of: text)
        #expect(parts == ["1", #""a,]\"\\""#, "[2,[3]]", #"{"x":"}"}"#, "18446744073709551615"])
        #expect(JSONText.array(of: parts) == text)
        for wrong in ["", "5", "{}", "[1", #"["a"#, "null"] {
            #expect(throws: PerchError.self) { try JSONText.elements(of: wrong) }
        }
    }

    @Test("shards are stable and even") func shards() {
        #expect(ShardKey.shard(queue: "default", kind: "file", target: "/data/a") == 672)
        #expect(ShardKey.shard(queue: "default", kind: "time", target: "") == 496)
        var counts = [Int](repeating: 0, count: ShardKey.count)
        for index in 0..<102_400 {
            counts[ShardKey.shard(queue: "default", kind: "file", target: "/data/\(index)")] += 1
        }
        #expect(counts.allSatisfy { $0 > 40 && $0 < 180 })
        var hash = StableHash()
        hash.combine("")
        #expect(hash.value == 0xAF64_724C_8602_EB6E)
    }
}
