// SPDX-License-Identifier: Apache-2.0
import Foundation
import PerchSDK
import Testing

/// Steps from minute to minute through a span, asks Foundation for the wall time of each, and notes the ticks by the
/// words of the rule.
private struct MinuteStepper {
    let fields: [Set<Int>]
    let isEitherDay: Bool
    let isEveryHour: Bool
    let stepsThroughHours: Bool
    let zone: TimeZone

    init(_ expression: String, zone: TimeZone) {
        let parts = expression.split(separator: " ").map(String.init)
        let limits = [0...59, 0...23, 1...31, 1...12, 0...6]
        fields = zip(parts, limits).map { Self.values($0, $1) }
        isEitherDay = !parts[2].hasPrefix("*") && !parts[4].hasPrefix("*")
        isEveryHour = fields[1].count == 24
        stepsThroughHours = parts[1].hasPrefix("*") || isEveryHour
        self.zone = zone
    }

    static func values(_ field: String, _ limits: ClosedRange<Int>) -> Set<Int> {
        var all: Set<Int> = []
        for item in field.split(separator: ",") {
            let halves = item.split(separator: "/")
            let ends = halves[0].split(separator: "-").compactMap { Int($0) }
            let low = halves[0] == "*" ? limits.lowerBound : ends[0]
            let high =
                halves[0] == "*"
                ? limits.upperBound : ends.count == 2 ? ends[1] : halves.count == 2 ? limits.upperBound : low
            for value in stride(from: low, through: high, by: halves.count == 2 ? Int(halves[1])! : 1) {
                all.insert(value)
            }
        }
        return all
    }

    private static let calendar: Calendar = {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = TimeZone(secondsFromGMT: 0)!
        return calendar
    }()

    func matches(wall: Int) -> Bool {
        let minute = ((wall % 86_400) + 86_400) % 86_400 / 60
        guard fields[0].contains(minute % 60), fields[1].contains(minute / 60) else { return false }
        let date = Self.calendar.dateComponents(
            [.month, .day, .weekday], from: Date(timeIntervalSince1970: Double(wall)))
        guard fields[3].contains(date.month!) else { return false }
        let (isDay, isWeekday) = (fields[2].contains(date.day!), fields[4].contains(date.weekday! - 1))
        return isEitherDay ? isDay || isWeekday : isDay && isWeekday
    }

    func ticks(from start: Int, to end: Int) -> [Int] {
        var found: [Int] = []
        // Wall minutes that were shown, so that a second occurrence is known; from a day before the span.
        var highest = Int.min
        for moment in stride(from: start - 86_400, to: end, by: 60) {
            let wall = moment + zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(moment)))
            if moment >= start {
                let isSecond = wall <= highest
                var isTick = matches(wall: wall) && (!isSecond || stepsThroughHours)
                if wall > highest + 60, highest != .min, !isEveryHour {
                    for skipped in stride(from: highest + 60, to: wall, by: 60) where matches(wall: skipped) {
                        isTick = true
                    }
                }
                if isTick { found.append(moment) }
            }
            highest = max(highest, wall)
        }
        return found
    }
}

@Suite struct CronReferenceTests {
    /// Moments around which clocks change, or do not.
    static let places: [(zone: String, around: String)] = [
        ("UTC", "2026-02-28T12:00:00Z"), ("Europe/Paris", "2026-03-29T01:00:00Z"),
        ("Europe/Paris", "2026-10-25T01:00:00Z"),
        ("America/New_York", "2026-03-08T07:00:00Z"), ("America/New_York", "2026-11-01T06:00:00Z"),
        ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"), ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
        ("America/Sao_Paulo", "2018-11-04T03:00:00Z"), ("America/Sao_Paulo", "2018-02-18T02:00:00Z"),
        ("Asia/Kathmandu", "2026-06-01T00:00:00Z"), ("Asia/Kathmandu", "1985-12-31T18:30:00Z"),
        ("Pacific/Apia", "2011-12-30T10:00:00Z"), ("Africa/Casablanca", "2026-02-15T02:00:00Z"),
        ("Europe/Dublin", "2026-10-25T01:00:00Z"), ("America/Caracas", "2016-05-01T07:00:00Z"),
    ]

    static func field(_ limits: ClosedRange<Int>, _ random: inout Seeded) -> String {
        func item(_ random: inout Seeded) -> String {
            let low = Int.random(in: limits, using: &random)
            let high = Int.random(in: low...limits.upperBound, using: &random)
            let step = Int.random(in: 1...7, using: &random)
            return random.pick(["\(low)", "\(low)-\(high)", "\(low)-\(high)/\(step)", "*/\(step)", "\(low)/\(step)"])
        }
        let count = random.pick([1, 1, 1, 2, 3])
        return (0..<count).map { _ in item(&random) }.joined(separator: ",")
    }

    @Test("next and previous agree with stepping through the minutes", arguments: 0..<20) func reference(_ seed: Int)
        throws
    {
        var random = Seeded(UInt64(seed))
        for _ in 0..<20 {
            let days = random.pick(["*", "*", "*", Self.field(1...28, &random)])
            let weekdays = random.pick(["*", "*", "*", Self.field(0...6, &random)])
            let hours = random.pick(["*", "*/2", "2", "0", "1-3", "23", Self.field(0...23, &random)])
            let expression = "\(Self.field(0...59, &random)) \(hours) \(days) * \(weekdays)"
            let place = random.pick(Self.places)
            let zone = try #require(TimeZone(identifier: place.zone))
            let middle = Int(try Timestamp(parsing: place.around).microseconds / 1_000_000)
            let (start, end) = (middle - 129_600, middle + 172_800)
            let wanted = MinuteStepper(expression, zone: zone).ticks(from: start, to: end)

            let schedule = try CronSchedule(expression, timeZone: place.zone)
            var found: [Int] = []
            var instant = Timestamp(microseconds: Int64(start) * 1_000_000 - 1)
            while let tick = schedule.next(after: instant), tick.microseconds < Int64(end) * 1_000_000 {
                found.append(Int(tick.microseconds / 1_000_000))
                instant = tick
            }
            #expect(found == wanted, "\(expression) in \(place.zone) around \(place.around)")

            var back: [Int] = []
            instant = Timestamp(microseconds: Int64(end) * 1_000_000)
            while let tick = schedule.previous(before: instant), tick.microseconds >= Int64(start) * 1_000_000 {
                back.append(Int(tick.microseconds / 1_000_000))
                instant = tick
            }
            #expect(
                Array(back.reversed()) == wanted, "\(expression) in \(place.zone) around \(place.around), backwards")
        }
    }
}
