// SPDX-License-Identifier: Apache-2.0

/// Reads a template into its parts.
struct TemplateParser {
    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0
    /// So deep values may stand in one another.
    private static let deepest = 32
    /// The operators, filters and values of the expression so far.
    private var size = 0
    /// So many of them one expression may have: it is evaluated by a walk that is as deep as it is long.
    private static let largest = 64
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
            size = 0
            let expression = try expression()
            skipSpace()
            guard take("}"), take("}") else {
                if position >= bytes.count { throw place(open).fault("this '{{' is not closed; \(Self.escapeHint)") }
                throw fault(
                    "wanted was '}}', an operator, or a filter after '|', found is '\(found)'; \(Self.escapeHint)")
            }
            parts.append(.expression(expression))
            start = position
        }
        if position > start { parts.append(.text(string(start..<position))) }
        return parts
    }

    private static let open = UInt8(ascii: "{")
    static let escapeHint = "for two braces as they are, write {{ '{{' }}"

    /// A whole expression: `value`, or `value if condition else other`.
    private mutating func expression() throws(PerchError) -> TemplateExpression {
        try enter()
        defer { depth -= 1 }
        let then = try operand(from: 1)
        guard takeWord("if") else { return then }
        try count()
        let condition = try operand(from: 1)
        guard takeWord("else") else {
            throw fault("after 'if' and its condition stands 'else', and what holds otherwise: 'a' if x else 'b'")
        }
        let other = try expression()
        return TemplateExpression(
            value: .choice(then, condition: condition, other: other), position: then.position)
    }

    /// Values with operators between them that bind at least so strongly.
    private mutating func operand(from strength: Int) throws(PerchError) -> TemplateExpression {
        skipSpace()
        let at = place(position)
        var left: TemplateExpression
        if strength <= TemplateOperator.negating, takeWord("not") {
            try count()
            try enter()
            defer { depth -= 1 }
            left = TemplateExpression(value: .not(try operand(from: TemplateOperator.negating)), position: at)
        } else {
            left = try filtered()
        }
        while true {
            if strength <= TemplateOperator.comparing, let test = try test() {
                let asked = TemplateExpression(value: .test(test.kind, left), position: at)
                left = test.isNegated ? TemplateExpression(value: .not(asked), position: at) : asked
                continue
            }
            guard let next = nextOperator(), next.strength >= strength else { return left }
            try count()
            takeOperator(next)
            let right = try operand(from: next.strength + 1)
            left = TemplateExpression(value: .operation(next, left, right), position: at)
            if next.strength == TemplateOperator.comparing, let other = nextOperator(),
                other.strength == TemplateOperator.comparing
            {
                throw fault("comparisons are not chained; write a < b and b < c")
            }
        }
    }

    /// `is defined`, `is not none`.
    private mutating func test() throws(PerchError) -> (kind: TemplateTest, isNegated: Bool)? {
        guard takeWord("is") else { return nil }
        try count()
        let isNegated = takeWord("not")
        for test in TemplateTest.allCases where takeWord(test.rawValue) { return (test, isNegated) }
        throw fault("after 'is' stands 'defined' or 'none'")
    }

    /// A value and the filters behind it.
    private mutating func filtered() throws(PerchError) -> TemplateExpression {
        var expression: TemplateExpression
        if take("(") {
            expression = try self.expression()
            skipSpace()
            guard take(")") else { throw fault("wanted was ')'") }
        } else {
            let at = place(position)
            expression = TemplateExpression(value: try value(), position: at)
        }
        while true {
            skipSpace()
            guard take("|") else { return expression }
            try count()
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
        case [.member("null")], [.member("none")], [.member("None")]: return .literal(.null)
        default: break
        }
        skipSpace()
        guard take("(") else { return .name(steps) }
        let called = TemplateNames.text(of: steps)
        guard let macro = TemplateMacro(called: called) else {
            throw place(at).fault(TemplateMacro.problem(ofCall: called))
        }
        let arguments = try arguments()
        guard macro.arguments.contains(arguments.count) else {
            throw place(at).fault("\(called.shown()) is written \(macro.form.written)")
        }
        return .macro(macro, arguments)
    }

    /// Values with commas between them, up to the bracket that closes.
    private mutating func arguments() throws(PerchError) -> [TemplateExpression] {
        var arguments: [TemplateExpression] = []
        skipSpace()
        if take(")") { return [] }
        while true {
            try count()
            arguments.append(try expression())
            skipSpace()
            if take(")") { return arguments }
            guard take(",") else { throw fault("wanted was ')'") }
        }
    }

    // MARK: Bounds

    private mutating func enter() throws(PerchError) {
        guard depth < Self.deepest else { throw fault("values are nested deeper than \(Self.deepest)") }
        depth += 1
    }

    private mutating func count() throws(PerchError) {
        size += 1
        guard size <= Self.largest else { throw fault("an expression has \(Self.largest) parts at most") }
    }

    // MARK: Operators

    /// The operator that comes next; nothing is taken.
    private mutating func nextOperator() -> TemplateOperator? {
        skipSpace()
        let rest = bytes[position...]
        for known in TemplateOperator.allCases {
            switch known {
            case .or, .and, .isIn: if isWord(known.rawValue) { return known }
            case .isNotIn:
                guard isWord("not") else { continue }
                let start = position
                defer { position = start }
                position += 3
                skipSpace()
                if isWord("in") { return known }
            default: if rest.starts(with: known.rawValue.utf8) { return known }
            }
        }
        return nil
    }

    private mutating func takeOperator(_ found: TemplateOperator) {
        for word in found.rawValue.split(separator: " ") {
            skipSpace()
            position += word.utf8.count
        }
        skipSpace()
    }

    /// Whether a whole word stands here.
    private func isWord(_ word: String) -> Bool {
        let end = position + word.utf8.count
        guard end <= bytes.count, bytes[position..<end].elementsEqual(word.utf8) else { return false }
        return end == bytes.count || !Self.isNamePart(Unicode.Scalar(bytes[end]))
    }

    private mutating func takeWord(_ word: String) -> Bool {
        skipSpace()
        guard isWord(word) else { return false }
        position += word.utf8.count
        skipSpace()
        return true
    }

    // MARK: Names and values

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
        guard let kind = TemplateFilter(named: name) else {
            let all = TemplateFilter.allCases.map(\.rawValue).joined(separator: ", ")
            throw place(at).fault("there is no filter '\(name.shown())'; there are \(all)")
        }
        skipSpace()
        let arguments = take("(") ? try arguments() : []
        guard kind.arguments.contains(arguments.count) else {
            let mostly =
                kind == .otherwise
                ? "default takes the value to use: default('x')"
                : kind.arguments == 0...0
                    ? "the filter '\(name)' takes no value" : "the filter '\(name)' is written \(kind.form.written)"
            throw place(at).fault(mostly)
        }
        return TemplateExpression.Filter(kind: kind, arguments: arguments, position: place(at))
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
        var previous: Unicode.Scalar?
        while let scalar = peek() {
            // A sign stands in front, or behind the 'e' of a number; elsewhere it is an operator.
            let isSign = scalar == "-" || scalar == "+"
            let belongs =
                isSign
                ? previous == nil || (isNumber(from: at) && (previous == "e" || previous == "E"))
                : Self.isNamePart(scalar) || scalar == "."
            guard belongs else { break }
            previous = scalar
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

    /// Whether what stands from there begins as a number does.
    private func isNumber(from start: Int) -> Bool {
        let first = bytes[start] == UInt8(ascii: "-") ? start + 1 : start
        return first < bytes.count && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[first])
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
