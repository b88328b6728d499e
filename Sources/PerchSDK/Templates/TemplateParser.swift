// SPDX-License-Identifier: Apache-2.0

/// Reads a template into its parts.
struct TemplateParser {
    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0
    /// So deep macros may stand in one another.
    private static let deepest = 32
    /// The last place that was counted, so that no byte is counted twice.
    private var counted = (offset: 0, place: TemplatePosition(line: 1, column: 1))

    init(_ text: String) {
        bytes = Array(text.utf8)
    }

    mutating func parts() throws(PerchError) -> [Template.Part] {
        var parts: [Template.Part] = []
        var start = 0
        while position < bytes.count {
            guard bytes[position] == Self.open, position + 1 < bytes.count, bytes[position + 1] == Self.open else {
                position += 1
                continue
            }
            if position > start { parts.append(.text(string(start..<position))) }
            let open = position
            position += 2
            let expression = try expression()
            skipSpace()
            guard take("}"), take("}") else {
                if position >= bytes.count { throw place(open).fault("this '{{' is not closed; \(Self.escapeHint)") }
                throw fault(
                    "wanted was '}}' or a filter after '|', found is '\(found)'; \(Self.escapeHint)")
            }
            parts.append(.expression(expression))
            start = position
        }
        if position > start { parts.append(.text(string(start..<position))) }
        return parts
    }

    private static let open = UInt8(ascii: "{")
    static let escapeHint = "for two braces as they are, write {{ '{{' }}"

    private mutating func expression() throws(PerchError) -> TemplateExpression {
        skipSpace()
        let at = place(position)
        var expression = TemplateExpression(value: try value(), position: at)
        while true {
            skipSpace()
            guard take("|") else { return expression }
            skipSpace()
            expression.filters.append(try filter())
        }
    }

    private mutating func value() throws(PerchError) -> TemplateExpression.Value {
        guard let scalar = peek() else { throw fault("a name is missing") }
        if scalar == "'" || scalar == "\"" || scalar == "-" || ("0"..."9").contains(scalar) {
            return .literal(try literal())
        }
        guard Self.isNamePart(scalar) else {
            throw fault("wanted was a name such as ds or params.x, found is '\(found)'; \(Self.escapeHint)")
        }
        let at = position
        let steps = try name()
        switch steps {
        case [.member("true")], [.member("True")]: return .literal(.bool(true))
        case [.member("false")], [.member("False")]: return .literal(.bool(false))
        default: break
        }
        skipSpace()
        guard take("(") else { return .name(steps) }
        let called = TemplateNames.text(of: steps)
        guard called == "ds_add" || called == "macros.ds_add" else {
            throw place(at).fault("there is no macro '\(called.shown())'; there is ds_add(ds, days)")
        }
        guard depth < Self.deepest else { throw place(at).fault("macros are nested deeper than \(Self.deepest)") }
        depth += 1
        defer { depth -= 1 }
        let date = try expression()
        skipSpace()
        guard take(",") else { throw fault("ds_add takes a date and a number of days: ds_add(ds, -1)") }
        let days = try expression()
        skipSpace()
        guard take(")") else { throw fault("wanted was ')'") }
        return .addDays(date, days)
    }

    private mutating func name() throws(PerchError) -> [TemplateExpression.Step] {
        var steps: [TemplateExpression.Step] = [.member(word())]
        while true {
            if take(".") {
                let member = word()
                guard !member.isEmpty else { throw fault("a member's name follows '.'; write others as ['name']") }
                steps.append(.member(member))
            } else if take("[") {
                skipSpace()
                switch try literal() {
                case .string(let name): steps.append(.member(name))
                case .integer(let index): steps.append(.element(Int(index)))
                default: throw fault("in [ ] stands a whole number or a quoted name")
                }
                skipSpace()
                guard take("]") else { throw fault("wanted was ']'") }
            } else {
                return steps
            }
        }
    }

    private mutating func filter() throws(PerchError) -> TemplateExpression.Filter {
        let at = position
        let name = word()
        guard let kind = TemplateExpression.FilterKind(rawValue: name) else {
            let all = TemplateExpression.FilterKind.allCases.map(\.rawValue).joined(separator: ", ")
            throw place(at).fault("there is no filter '\(name.shown())'; there are \(all)")
        }
        var argument: JSONValue?
        skipSpace()
        if take("(") {
            skipSpace()
            if peek() != ")" {
                argument = try literal()
                skipSpace()
            }
            guard take(")") else { throw fault("wanted was ')'; a filter takes one value at most") }
        }
        if kind == .otherwise, argument == nil { throw place(at).fault("default takes the value to use: default('x')") }
        if kind != .otherwise, argument != nil { throw place(at).fault("the filter '\(name)' takes no value") }
        return TemplateExpression.Filter(kind: kind, argument: argument, position: place(at))
    }

    /// A quoted string, a number, `true`, `false` or `null`.
    private mutating func literal() throws(PerchError) -> JSONValue {
        let at = position
        if let quote = peek(), quote == "'" || quote == "\"" {
            position += 1
            var text: [UInt8] = []
            while let scalar = peek() {
                position += 1
                if scalar == quote { return .string(String(decoding: text, as: UTF8.self)) }
                guard scalar == "\\" else {
                    text.append(bytes[position - 1])
                    continue
                }
                switch peek() {
                case "n": text.append(0x0A)
                case "t": text.append(0x09)
                case "\\", "'", "\"": text.append(bytes[position])
                default: throw fault("a backslash stands before a quote, a backslash, n or t only")
                }
                position += 1
            }
            throw place(at).fault("the quoted text does not end")
        }
        while let scalar = peek(), Self.isNamePart(scalar) || scalar == "-" || scalar == "." || scalar == "+" {
            position += 1
        }
        let text = string(at..<position)
        switch text {
        case "true", "True": return .bool(true)
        case "false", "False": return .bool(false)
        case "null", "none", "None": return .null
        default: break
        }
        if let whole = Int64(text) { return .integer(whole) }
        if let number = Double(text), number.isFinite { return .number(number) }
        throw place(at).fault("'\(text.shown())' is no value; write a number, or text in quotes")
    }

    private mutating func word() -> String {
        let start = position
        while let scalar = peek(), Self.isNamePart(scalar) { position += 1 }
        return string(start..<position)
    }

    static func isNamePart(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_": true
        default: false
        }
    }

    /// The byte at the position, as the ASCII character that it is; no name, sign or space is anything else.
    private func peek() -> Unicode.Scalar? { position < bytes.count ? Unicode.Scalar(bytes[position]) : nil }

    /// The whole character at the position.
    private var found: String {
        String(decoding: bytes[position...].prefix(4), as: UTF8.self).unicodeScalars.first.map { String($0).shown() }
            ?? ""
    }

    private mutating func take(_ wanted: Unicode.Scalar) -> Bool {
        guard peek() == wanted else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while let scalar = peek(), scalar == " " || ("\t"..."\r").contains(scalar) { position += 1 }
    }

    private func string(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    private mutating func fault(_ reason: String) -> PerchError { place(position).fault(reason) }

    private mutating func place(_ offset: Int) -> TemplatePosition {
        if offset < counted.offset { counted = (0, TemplatePosition(line: 1, column: 1)) }
        for byte in bytes[counted.offset..<min(offset, bytes.count)] {
            if byte == 0x0A {
                counted.place.line += 1
                counted.place.column = 1
            } else if byte & 0xC0 != 0x80 {
                counted.place.column += 1
            }
        }
        counted.offset = min(offset, bytes.count)
        return counted.place
    }
}
