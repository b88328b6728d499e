// SPDX-License-Identifier: Apache-2.0

/// What a value goes through after `|`.
enum TemplateFilter: String, Sendable, CaseIterable {
    case abs, capitalize
    case otherwise = "default"
    case ds
    case dsNoDash = "ds_nodash"
    case first, float, int, join, last, length, lower, max, min, replace, round
    case shellQuote = "shellquote"
    case string, title, tojson, trim, ts
    case tsNoDash = "ts_nodash"
    case tsNoDashWithZone = "ts_nodash_with_tz"
    case upper
    case urlEncode = "urlencode"

    /// The filter of a name, or of another name for it.
    init?(named name: String) {
        switch name {
        case "d": self = .otherwise
        case "count": self = .length
        default: self.init(rawValue: name)
        }
    }

    /// How it is written with its values, the other name behind it where there is one; and what it gives.
    var form: (written: String, summary: String) {
        switch self {
        case .abs: ("abs", "the number without its sign")
        case .capitalize: ("capitalize", "the first letter upper, all others lower case")
        case .otherwise: ("default('x'), d('x')", "`x` in place of what is missing or null")
        case .ds: ("ds", "an instant as `2026-03-01`")
        case .dsNoDash: ("ds_nodash", "an instant as `20260301`")
        case .first: ("first", "the first element of a list, the first character of a text")
        case .float: ("float, float(0)", "a text as a number; the value in brackets where it is none")
        case .int:
            (
                "int, int(0)",
                "a text as a whole number, a number without its fraction; the value in brackets where it is none"
            )
        case .join: ("join, join(', ')", "the elements of a list as one text, with a text between them")
        case .last: ("last", "the last element of a list, the last character of a text")
        case .length: ("length, count", "how many elements, members or characters there are")
        case .lower: ("lower", "lower case")
        case .max: ("max", "the largest element of a list of numbers or texts")
        case .min: ("min", "the smallest element of a list of numbers or texts")
        case .replace: ("replace('a', 'b')", "each `a` of a text by `b`")
        case .round: ("round, round(2)", "the number rounded to a whole one, or to so many digits")
        case .shellQuote: ("shellquote", "the text as one word of a shell command, whatever is in it")
        case .string: ("string", "the value as text")
        case .title: ("title", "the first letter of each word upper, all others lower case")
        case .tojson: ("tojson", "the value as JSON")
        case .trim: ("trim", "without white space around it")
        case .ts: ("ts", "an instant as `2026-03-01T06:00:00Z`")
        case .tsNoDash: ("ts_nodash", "an instant as `20260301T060000`")
        case .tsNoDashWithZone: ("ts_nodash_with_tz", "an instant as `20260301T060000+0000`")
        case .upper: ("upper", "upper case")
        case .urlEncode: ("urlencode", "the text as a part of a URL")
        }
    }

    /// How many values it takes.
    var arguments: ClosedRange<Int> {
        switch self {
        case .otherwise: 1...1
        case .replace: 2...2
        case .float, .int, .join, .round: 0...1
        default: 0...0
        }
    }

    /// Whether it stands in for what is missing.
    var mendsMissing: Bool { self == .otherwise }

    /// Whether null is a value for it like any other.
    var takesNull: Bool { self == .otherwise || self == .tojson || self == .string }

    /// - Parameters:
    ///   - value: Not null, unless the filter takes null.
    ///   - place: Where the filter stands.
    func apply(
        to value: JSONValue, _ arguments: [JSONValue], _ place: TemplatePosition
    ) throws(PerchError) -> JSONValue {
        switch self {
        case .otherwise: return value == .null ? arguments[0] : value
        case .tojson: return .string(value.text)
        case .string: return .string(value.textInTemplates)
        case .upper: return .string(value.textInTemplates.uppercased())
        case .lower: return .string(value.textInTemplates.lowercased())
        case .trim: return .string(value.textInTemplates.trimmed)
        case .capitalize:
            let text = value.textInTemplates
            return .string(text.prefix(1).uppercased() + text.dropFirst().lowercased())
        case .title: return .string(Self.title(value.textInTemplates))
        case .urlEncode: return .string(Self.urlEncoded(value.textInTemplates))
        case .shellQuote: return .string("'" + value.textInTemplates.replacing("'", with: "'\\''") + "'")
        case .replace: return .string(try replaced(value.textInTemplates, arguments, place))
        case .abs, .round, .int, .float: return try number(value, arguments, place)
        case .first, .last, .length, .join, .max, .min: return try gathered(value, arguments, place)
        case .ds, .dsNoDash, .ts, .tsNoDash, .tsNoDashWithZone:
            let instant = try TemplateDate.instant(
                value, place, else: "'\(rawValue)' takes an instant, such as data_interval_end")
            switch self {
            case .ds: return .string(instant.dateText)
            case .dsNoDash: return .string(instant.dateTextWithoutDashes)
            case .ts: return .string(instant.description)
            case .tsNoDash: return .string(instant.textWithoutDashes)
            default: return .string(instant.textWithoutDashes + "+0000")
            }
        }
    }

    // MARK: Texts

    private func replaced(
        _ text: String, _ arguments: [JSONValue], _ place: TemplatePosition
    ) throws(PerchError) -> String {
        guard case .string(let old) = arguments[0], case .string(let new) = arguments[1], !old.isEmpty else {
            throw place.fault("'replace' takes two texts, the first of them not empty: replace('a', 'b')")
        }
        let count = text.ranges(of: old).count
        let (growth, overflow) = count.multipliedReportingOverflow(by: Swift.max(0, new.utf8.count - old.utf8.count))
        guard !overflow, growth <= Template.longestResult else { throw Template.tooLong(place) }
        return text.replacing(old, with: new)
    }

    private static func title(_ text: String) -> String {
        var result = ""
        var isInside = false
        for character in text {
            result += isInside ? character.lowercased() : character.uppercased()
            isInside = character.isLetter || character.isNumber || character == "'"
        }
        return result
    }

    /// Everything but letters, digits and `-._~/` as `%` and two digits.
    private static func urlEncoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                bytes.append(byte)
            case _ where "-._~/".utf8.contains(byte): bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: Numbers

    private func number(
        _ value: JSONValue, _ arguments: [JSONValue], _ place: TemplatePosition
    ) throws(PerchError) -> JSONValue {
        switch (self, value) {
        case (.abs, .integer(let whole)):
            guard whole != .min else { throw place.fault("the number is too large for 'abs'") }
            return .integer(Swift.abs(whole))
        case (.abs, .number(let number)): return .number(Swift.abs(number))
        case (.int, .integer): return value
        case (.round, .integer):
            _ = try Self.digits(arguments, place)
            return value
        case (.round, .number(let number)): return try rounded(number, arguments, place)
        case (.int, .number(let number)):
            guard let whole = Int64(exactly: number.rounded(.towardZero)) else {
                throw place.fault("the number is too large for 'int'")
            }
            return .integer(whole)
        case (.float, _) where value.double != nil: return .number(value.double ?? 0)
        case (.int, .string(let text)):
            if let whole = Int64(text.trimmed) { return .integer(whole) }
        case (.float, .string(let text)):
            if let number = Double(text.trimmed), number.isFinite { return .number(number) }
        default: break
        }
        if self == .int || self == .float, let other = arguments.first { return other }
        let shown = value.textInTemplates.shown(40)
        throw place.fault("'\(rawValue)' takes a number, not \(value.kindText) ('\(shown)')")
    }

    private func rounded(
        _ number: Double, _ arguments: [JSONValue], _ place: TemplatePosition
    ) throws(PerchError) -> JSONValue {
        guard let digits = try Self.digits(arguments, place) else {
            guard let whole = Int64(exactly: number.rounded()) else {
                throw place.fault("the number is too large for 'round'")
            }
            return .integer(whole)
        }
        let scale = (0..<digits).reduce(1.0) { scale, _ in scale * 10 }
        let scaled = (number * scale).rounded() / scale
        return .number(scaled.isFinite ? scaled : number)
    }

    /// The digits to which a number is rounded; nil: to a whole one.
    private static func digits(_ arguments: [JSONValue], _ place: TemplatePosition) throws(PerchError) -> Int64? {
        guard let argument = arguments.first else { return nil }
        guard case .integer(let digits) = argument, (0...15).contains(digits) else {
            throw place.fault("'round' takes a number of digits from 0 to 15")
        }
        return digits
    }

    // MARK: Lists

    private func gathered(
        _ value: JSONValue, _ arguments: [JSONValue], _ place: TemplatePosition
    ) throws(PerchError) -> JSONValue {
        switch (self, value) {
        case (.length, .array(let elements)): return .integer(Int64(elements.count))
        case (.length, .object(let members)): return .integer(Int64(members.count))
        case (.length, .string(let text)): return .integer(Int64(text.unicodeScalars.count))
        case (.first, .string(let text)) where !text.isEmpty: return .string(String(text.prefix(1)))
        case (.last, .string(let text)) where !text.isEmpty: return .string(String(text.suffix(1)))
        case (.join, .array(let elements)):
            guard case .string(let between) = arguments.first ?? .string("") else {
                throw place.fault("'join' takes the text that stands between the elements: join(', ')")
            }
            var length = 0
            for element in elements {
                length += element.textInTemplates.utf8.count + between.utf8.count
                guard length <= 2 * Template.longestResult else { throw Template.tooLong(place) }
            }
            return .string(elements.map(\.textInTemplates).joined(separator: between))
        case (.first, .array(let elements)) where !elements.isEmpty: return elements[0]
        case (.last, .array(let elements)) where !elements.isEmpty: return elements[elements.count - 1]
        case (.max, .array(let elements)) where !elements.isEmpty, (.min, .array(let elements)) where !elements.isEmpty:
            var best = elements[0]
            let wanted: TemplateOperator = self == .max ? .greater : .less
            for element in elements {
                if try wanted.apply(element, best, place) == .bool(true) { best = element }
            }
            return best
        case (_, .array), (.first, .string), (.last, .string):
            throw place.fault("'\(rawValue)' takes what is not empty")
        default:
            throw place.fault("'\(rawValue)' takes a list, not \(value.kindText)")
        }
    }
}
