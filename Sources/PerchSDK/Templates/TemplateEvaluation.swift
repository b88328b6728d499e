// SPDX-License-Identifier: Apache-2.0

extension TemplateExpression {
    /// The expression's value as it stands in the rendered string.
    func text(in scope: TemplateScope) throws(PerchError) -> String {
        switch try evaluate(in: scope) {
        case .string(let text): return text
        case .null: throw position.fault("\(shown) is null; give it a value, or write \(shown) | default('…')")
        case let other: return other.text
        }
    }

    /// Its value, null where that is what it is.
    func evaluate(in scope: TemplateScope) throws(PerchError) -> JSONValue {
        guard let value = try found(in: scope) else { throw missing(nil) }
        return value
    }

    /// Its value; nil where a param is missing and no filter has mended that.
    private func found(in scope: TemplateScope) throws(PerchError) -> JSONValue? {
        var current = try base(in: scope)
        for filter in filters {
            guard let value = current, value != .null || filter.kind.takesNull else {
                if filter.kind.mendsMissing {
                    current = try filter.arguments[0].evaluate(in: scope)
                    continue
                }
                throw missing(current)
            }
            if filter.kind.mendsMissing, value != .null {
                try filter.arguments[0].checkNames()
                continue
            }
            var arguments: [JSONValue] = []
            for argument in filter.arguments { arguments.append(try argument.evaluate(in: scope)) }
            current = try filter.kind.apply(to: value, arguments, filter.position)
            try Template.check(current, filter.position)
        }
        return current
    }

    /// The value before the filters; nil where a param is missing.
    private func base(in scope: TemplateScope) throws(PerchError) -> JSONValue? {
        switch value {
        case .literal(let value):
            return value
        case .name(let steps):
            if let problem = TemplateNames.problem(of: steps) ?? scope.values.refusal(of: steps) {
                throw position.fault(problem)
            }
            return scope.value(of: steps)
        case .macro(let macro, let arguments):
            var values: [JSONValue] = []
            for argument in arguments { values.append(try argument.evaluate(in: scope)) }
            let result = try macro.apply(values, arguments.map(\.position), position, scope)
            try Template.check(result, position)
            return result
        case .operation(let kind, let left, let right):
            let first = try left.evaluate(in: scope)
            if kind == .and || kind == .or, first.isTrueInTemplates == (kind == .or) {
                try right.checkNames()
                return first
            }
            let result = try kind.apply(first, try right.evaluate(in: scope), position)
            try Template.check(result, position)
            return result
        case .not(let operand):
            return .bool(!(try operand.evaluate(in: scope).isTrueInTemplates))
        case .test(let test, let operand):
            let value = try operand.found(in: scope)
            return .bool(test == .defined ? value != nil : value == .null)
        case .choice(let then, let condition, let other):
            let isTrue = try condition.evaluate(in: scope).isTrueInTemplates
            try (isTrue ? other : then).checkNames()
            return try (isTrue ? then : other).found(in: scope)
        }
    }

    /// What is not evaluated has no unknown names either.
    private func checkNames() throws(PerchError) {
        try eachName { steps, place throws(PerchError) in
            if let problem = TemplateNames.problem(of: steps) { throw place.fault(problem) }
        }
    }

    private func missing(_ value: JSONValue?) -> PerchError {
        guard case .name(let steps) = self.value else {
            return position.fault("\(shown) is \(value == nil ? "not there" : "null")")
        }
        if let text = TemplateReference.absence(of: steps, isThere: value != nil) { return position.fault(text) }
        switch steps.first {
        case .member("element"):
            return position.fault("\(shown) \(value == nil ? "is not in the element of this instance" : "is null")")
        case .member("params"), .member("dag_run"):
            let state = value == nil ? "does not resolve: the run has no such param" : "is null"
            return position.fault(
                "\(shown) \(state); give it a default in the DAG's params, or write \(shown) | default('…')")
        default:
            let state = value == nil ? "is not there in this run" : "is null"
            return position.fault("\(shown) \(state); write \(shown) | default('…') where that may be")
        }
    }
}

extension Template {
    /// The longest text that a template, or a part of it, gives, in bytes.
    static let longestResult = 4 << 20

    /// - Throws: `PerchError` (`invalid`) where a text is too long to go on with.
    static func check(_ value: JSONValue?, _ place: TemplatePosition) throws(PerchError) {
        guard case .string(let text)? = value, text.utf8.count > longestResult else { return }
        throw tooLong(place)
    }

    static func tooLong(_ place: TemplatePosition) -> PerchError {
        place.fault("the text becomes longer than \(longestResult) bytes")
    }
}
