// SPDX-License-Identifier: Apache-2.0
import Foundation
import FuzzSupport
import PerchSDK
import Testing

/// The five fields by the words of the documentation, and the seconds before them, read by another way than the parser's.
private struct CronReference {
    var seconds: Set<Int> = [0]
    var fields: [Set<Int>] = []
    var isEitherDay = false

    /// Nil where it is no cron expression.
    init?(_ text: String) {
        let presets = Dictionary(uniqueKeysWithValues: CronExpression.presets.map { ($0.name, $0.expression) })
        var parts = (presets[text] ?? text).split(whereSeparator: \.isWhitespace).map(String.init)
        if parts.count == 6 {
            guard let values = Self.values(parts.removeFirst(), 0...59, [], 0) else { return nil }
            seconds = values
        }
        guard parts.count == 5 else { return nil }
        for day in [2, 4] where parts[day] == "?" { parts[day] = "*" }
        let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        let days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
        let kinds: [(ClosedRange<Int>, [String], Int)] = [
            (0...59, [], 0), (0...23, [], 0), (1...31, [], 0), (1...12, months, 1), (0...7, days, 0),
        ]
        for (part, kind) in zip(parts, kinds) {
            guard let values = Self.values(part, kind.0, kind.1, kind.2) else { return nil }
            fields.append(values)
        }
        fields[4] = Set(fields[4].map { $0 % 7 })
        isEitherDay = !parts[2].hasPrefix("*") && !parts[4].hasPrefix("*")
    }

    private static func values(_ field: String, _ limits: ClosedRange<Int>, _ names: [String], _ base: Int) -> Set<Int>?
    {
        var found: Set<Int> = []
        for item in field.components(separatedBy: ",") {
            let halves = item.components(separatedBy: "/")
            let ends = halves[0].components(separatedBy: "-")
            func number(_ word: String) -> Int? {
                guard !word.isEmpty, word.unicodeScalars.allSatisfy({ ("0"..."9").contains($0) }) else { return nil }
                return Int(word)
            }
            func value(_ word: String) -> Int? {
                let value = names.firstIndex(of: word.lowercased()).map { $0 + base } ?? number(word)
                return value.flatMap { limits.contains($0) ? $0 : nil }
            }
            guard halves.count <= 2, ends.count <= 2 else { return nil }
            let isAll = halves[0] == "*"
            guard let low = isAll ? limits.lowerBound : value(ends[0]) else { return nil }
            let top = limits.upperBound == 7 ? 6 : limits.upperBound
            var high = isAll || halves.count == 2 ? max(top, low) : low
            if ends.count == 2 {
                guard let end = value(ends[1]) else { return nil }
                // A week may end on Sunday.
                high = end == 0 && low > 0 && number(ends[1]) == nil && limits.upperBound == 7 ? 7 : end
            }
            // A range goes over the end of the field.
            if low > high { high += top - limits.lowerBound + 1 }
            var step = 1
            if halves.count == 2 {
                guard let given = number(halves[1]), given > 0 else { return nil }
                step = given
            }
            let values = stride(from: low, through: high, by: step)
            found.formUnion(values.map { $0 > limits.upperBound ? $0 - (top - limits.lowerBound + 1) : $0 })
        }
        return found
    }

    func ticks(at seconds: Int) -> Bool {
        var time = seconds
        var wall = tm()
        gmtime_r(&time, &wall)
        guard self.seconds.contains(Int(wall.tm_sec)), fields[0].contains(Int(wall.tm_min)),
            fields[1].contains(Int(wall.tm_hour)),
            fields[3].contains(Int(wall.tm_mon) + 1)
        else { return false }
        let isDay = fields[2].contains(Int(wall.tm_mday))
        let isWeekday = fields[4].contains(Int(wall.tm_wday))
        return isEitherDay ? isDay || isWeekday : isDay && isWeekday
    }
}

@Suite("Fuzz: cron") struct CronFuzzTests {
    static func field(_ limits: ClosedRange<Int>, _ names: [String], _ source: inout FuzzSource) -> String {
        source.several(1...2) { source in
            let low = source.int(limits)
            let high = source.int(limits)
            let step = source.pick([1, 2, 5, 7, 40])
            let name = names.isEmpty ? "\(low)" : source.pick(names)
            let other = names.isEmpty ? "\(high)" : source.pick(names)
            return source.pick([
                "*", "*", "?", "\(low)", "\(low)-\(high)", "*/\(step)", "\(low)/\(step)", name, "\(name)-\(other)",
            ])
        }.joined(separator: ",")
    }

    static func expression(_ source: inout FuzzSource) -> String {
        if source.one(in: 20) { return source.pick(CronExpression.presets).name }
        let seconds = source.one(in: 3) ? [field(0...59, [], &source)] : []
        let fields = [
            field(0...59, [], &source), field(0...23, [], &source), field(1...31, [], &source),
            field(1...12, ["jan", "Feb", "DEC", "jun"], &source), field(0...7, ["sun", "Mon", "sat", "SUN"], &source),
        ]
        return (seconds + fields).joined(separator: source.pick([" ", "  ", "\t"]))
    }

    @Test("an expression is taken where its documentation says so, and ticks at the first second that fits")
    func reference() throws {
        try Fuzz.run("cron", count: 2_000) { source in
            let (first, second) = (Self.expression(&source), Self.expression(&source))
            let text = source.one(in: 2) ? first : source.mutated(first, with: second)
            let reference = CronReference(text)
            guard let schedule = try Fuzz.accepted({ try CronSchedule(text) }) else {
                let never = reference.map { $0.fields[2].min() ?? 0 > 28 && !$0.isEitherDay } ?? true
                try Fuzz.check(never, "refused: '\(text)'")
                return
            }
            guard let reference else { throw FuzzFailure.taken(text) }
            let start = source.int(-2_000_000_000...4_000_000_000)
            let tick = schedule.next(after: Timestamp(microseconds: Int64(start) * 1_000_000)).map {
                Int($0.microseconds / 1_000_000)
            }
            guard let tick else { throw FuzzFailure.taken("\(text), which has no tick after \(start)") }
            try Fuzz.check(tick > start, "'\(text)' ticks at \(tick), after \(start)")
            try Fuzz.check(reference.ticks(at: tick), "'\(text)' does not tick at \(tick)")
            let step = reference.seconds == [0] ? 60 : 1
            let before = start - ((start % step) + step) % step + step
            let missed = stride(from: before, to: min(tick, start + 1_500 * step), by: step).first {
                reference.ticks(at: $0)
            }
            try Fuzz.check(missed == nil, "'\(text)' after \(start) misses \(missed ?? 0)")
            let back = schedule.previous(before: Timestamp(microseconds: Int64(tick) * 1_000_000 + 1))
            try Fuzz.check(back?.microseconds == Int64(tick) * 1_000_000, "'\(text)' does not lead back to \(tick)")
        }
    }

    @Test("zones and presets that do not exist are refused with words fit to be shown, and no instant is too far")
    func edges() throws {
        try Fuzz.run("cron edges", count: 300) { source in
            _ = try Fuzz.accepted { try CronSchedule("0 0 * * *", timeZone: source.text(0...20)) }
            if let problem = Schedule.preset("@" + source.text(0...200)).problem { try Fuzz.checkMessage(problem) }
            let zone = source.pick(["UTC", "Europe/Paris", "Pacific/Apia", "Asia/Kathmandu"])
            let schedule = try CronSchedule("*/7 3 * * *", timeZone: zone)
            let instant = Timestamp(microseconds: source.integer())
            if let next = schedule.next(after: instant) { try Fuzz.check(next > instant, "\(next) after \(instant)") }
            if let last = schedule.previous(before: instant) {
                try Fuzz.check(last < instant, "\(last) before \(instant)")
            }
        }
    }
}

extension FuzzFailure {
    fileprivate static func taken(_ text: String) -> any Error { PerchError(.invalid, "taken: \(text)") }
}
