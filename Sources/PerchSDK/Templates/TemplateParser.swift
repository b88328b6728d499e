// SPDX-License-Identifier: Apache-2.0

/// Reads a template into its parts.
struct TemplateParser {
    let scalars: [Unicode.Scalar]
    var position = 0

    init(_ text: String) {
        scalars = Array(text.unicodeScalars)
    }

    mutating func parts() throws(PerchError) -> [Template.Part] {
        var parts: [Template.Part] = []
        var start = 0
        while position < scalars.count {
            guard scalars[position] == "{", position + 1 < scalars.count, scalars[position + 1] == "{" else {
                position += 1
                continue
            }
            if position > start { parts.append(.text(string(start..<position))) }
            let open = position
            position += 2
            let expression = try expression()
            skipSpace()
            guard take("}"), take("}") else {
                if position >= scalars.count { throw place(open).fault("this '{{' is not closed; \(Self.escapeHint)") }
                throw fault(
                    "wanted was '}}' or a filter after '|', found is '\(scalars[position])'; \(Self.escapeHint)")
            }
            parts.append(.expression(expression))
            start = position
        }
        if position > start { parts.append(.text(string(start..<position))) }
        return parts
    }

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
            throw fault("wanted was a name such as ds or params.x, found is '\(scalar)'; \(Self.escapeHint)")
        }
        let at = position
        let steps = try name()
        skipSpace()
        guard take("(") else { return .name(steps) }
        let called = TemplateNames.text(of: steps)
        guard called == "ds_add" || called == "macros.ds_add" else {
            throw place(at).fault("there is no macro '\(called)'; there is ds_add(ds, days)")
        }
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
            throw place(at).fault("there is no filter '\(name)'; there are \(all)")
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
            var text = String.UnicodeScalarView()
            while let scalar = peek() {
                position += 1
                if scalar == quote { return .string(String(text)) }
                guard scalar == "\\" else {
                    text.append(scalar)
                    continue
                }
                switch peek() {
                case "n": text.append("\n")
                case "t": text.append("\t")
                case let escaped? where escaped == "\\" || escaped == "'" || escaped == "\"": text.append(escaped)
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
        throw place(at).fault("'\(text)' is no value; write a number, or text in quotes")
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

    private func peek() -> Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func take(_ wanted: Unicode.Scalar) -> Bool {
        guard peek() == wanted else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while let scalar = peek(), scalar.properties.isWhitespace { position += 1 }
    }

    private func string(_ range: Range<Int>) -> String { String(String.UnicodeScalarView(scalars[range])) }

    private func fault(_ reason: String) -> PerchError { place(position).fault(reason) }

    private func place(_ index: Int) -> TemplatePosition {
        var place = TemplatePosition(line: 1, column: 1)
        for scalar in scalars.prefix(index) {
            if scalar == "\n" {
                place.line += 1
                place.column = 1
            } else {
                place.column += 1
            }
        }
        return place
    }
}
