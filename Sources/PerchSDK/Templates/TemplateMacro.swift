// SPDX-License-Identifier: Apache-2.0

/// What is called in a template, with or without `macros.` before it.
enum TemplateMacro: String, Sendable, CaseIterable {
    case difference = "datetime_diff_for_humans"
    case addDays = "ds_add"
    case format = "ds_format"
    case jsonText = "json.dumps"
    case jsonValue = "json.loads"
    case random, uuid

    /// The macro of a name as it is written.
    init?(called name: String) {
        let own = name.hasPrefix("macros.") ? String(name.dropFirst("macros.".count)) : name
        switch own {
        case "uuid.uuid4": self = .uuid
        case "random.random": self = .random
        default: self.init(rawValue: own)
        }
    }

    /// How it is written, and what it gives.
    var form: (written: String, summary: String) {
        switch self {
        case .difference:
            ("datetime_diff_for_humans(ts, since)", "how far one instant lies before or after another: `2 days after`")
        case .addDays: ("ds_add(ds, -1)", "the date so many days later")
        case .format:
            ("ds_format(ds, '%Y-%m-%d', '%d.%m.%y')", "a date and time, read in one form, written in another")
        case .jsonText: ("json.dumps(params.list)", "the value as JSON")
        case .jsonValue: ("json.loads(params.text)", "what JSON text says")
        case .random:
            (
                "random(), random('name')",
                "a number from 0 up to 1; the same at the same place, as long as the try lasts"
            )
        case .uuid:
            ("uuid(), uuid('name')", "a UUID; the same at the same place, as long as the try lasts")
        }
    }

    /// How many values it takes.
    var arguments: ClosedRange<Int> {
        switch self {
        case .difference, .addDays: 2...2
        case .format: 3...3
        case .jsonText, .jsonValue: 1...1
        case .random, .uuid: 0...1
        }
    }

    /// What is wrong with a call of a macro that does not exist, and what would be right.
    static func problem(ofCall name: String) -> String {
        let own = name.hasPrefix("macros.") ? String(name.dropFirst("macros.".count)) : name
        if own == "time" || own.hasPrefix("time.") || own.hasPrefix("datetime.") || own == "now" {
            return """
                there is no macro '\(name.shown())': a template gives the same again whenever it is filled in; take \
                data_interval_end, or logical_date
                """
        }
        if own.hasSuffix("xcom_pull") {
            return "there is no '\(name.shown())': outputs of other tasks are handed to a task's code as its inputs"
        }
        if name.contains("."), !name.hasPrefix("macros."), !own.hasPrefix("json.") {
            return
                "'\(name.shown())' cannot be called: values have no functions here; see the filters, as in ds | upper"
        }
        return "there is no macro '\(name.shown())'; there are \(allCases.map(\.form.written).joined(separator: ", "))"
    }

    /// - Parameters:
    ///   - places: Where each value stands.
    ///   - place: Where the macro stands.
    func apply(
        _ values: [JSONValue], _ places: [TemplatePosition], _ place: TemplatePosition, _ scope: TemplateScope
    ) throws(PerchError) -> JSONValue {
        switch self {
        case .addDays:
            guard case .string(let text) = values[0] else {
                throw places[0].fault("ds_add takes a date first, such as ds")
            }
            guard case .integer(let count) = values[1], count.magnitude <= 4_000_000 else {
                throw places[1].fault("ds_add takes a whole number of days second")
            }
            let instant = try TemplateDate.instant(.string(text), places[0], else: "")
            return .string((instant + .seconds(count * 86_400)).dateText)
        case .format:
            var texts: [String] = []
            for (value, place) in zip(values, places) {
                guard case .string(let text) = value else {
                    throw place.fault("ds_format takes a text and two forms: \(form.written)")
                }
                texts.append(text)
            }
            let instant = try TemplateDate.read(texts[0], texts[1], places[0], places[1])
            return .string(try TemplateDate.text(of: instant, texts[2], places[2]))
        case .difference:
            let wanted = "datetime_diff_for_humans takes two instants, such as data_interval_start"
            let instant = try TemplateDate.instant(values[0], places[0], else: wanted)
            let since = try TemplateDate.instant(values[1], places[1], else: wanted)
            return .string(TemplateDate.difference(instant, since))
        case .jsonText:
            return .string(values[0].text)
        case .jsonValue:
            guard case .string(let text) = values[0] else { throw places[0].fault("json.loads takes a text") }
            do {
                return try JSONValue(parsing: text)
            } catch {
                throw places[0].fault("this is no JSON: \((error as? PerchError)?.message ?? "\(error)")")
            }
        case .random:
            let bits = try seed(values, places, place, scope).0 >> 11
            return .number(Double(bits) / Double(UInt64(1) << 53))
        case .uuid:
            return .string(Self.uuid(try seed(values, places, place, scope)))
        }
    }

    /// What is drawn is derived: of the try, of the template and of the place in it. So a task that runs again after a wait
    /// finds what it had.
    private func seed(
        _ values: [JSONValue], _ places: [TemplatePosition], _ place: TemplatePosition, _ scope: TemplateScope
    ) throws(PerchError) -> (UInt64, UInt64) {
        var name = ""
        if let value = values.first {
            guard case .string(let text) = value else {
                throw places[0].fault("'\(rawValue)' takes a text that tells one draw from another: \(rawValue)('a')")
            }
            name = text
        }
        let facts = scope.facts
        var halves: [UInt64] = []
        for half in ["high", "low"] {
            var hash = StableHash128()
            for part in [
                half, rawValue, facts.dagID, facts.runID, facts.taskID, String(facts.mapIndex), String(facts.tryNumber),
                scope.template, "\(place.line):\(place.column)", name,
            ] {
                hash.combine(part)
            }
            // The hash mixes its upper bits less well than its lower ones; this is the end of SplitMix64.
            var bits = UInt64(hash.text.suffix(16), radix: 16) ?? 0
            bits = (bits ^ bits >> 30) &* 0xBF58_476D_1CE4_E5B9
            bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
            halves.append(bits ^ bits >> 31)
        }
        return (halves[0], halves[1])
    }

    /// A UUID of version 8, whose bits are the maker's own.
    private static func uuid(_ bits: (UInt64, UInt64)) -> String {
        let high = bits.0 & ~0xF000 | 0x8000
        let low = bits.1 & ~(0xC << 60) | 0x8 << 60
        let digits = [high, low].map { half in
            let text = String(half, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }
        let all = Array((digits[0] + digits[1]).utf8)
        return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(decoding: all[$0], as: UTF8.self) }
            .joined(separator: "-")
    }
}
