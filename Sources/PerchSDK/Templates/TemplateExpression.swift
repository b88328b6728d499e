// SPDX-License-Identifier: Apache-2.0

/// What stands between `{{` and `}}`: a value and the filters through which it goes.
struct TemplateExpression: Sendable, Hashable {
    indirect enum Value: Sendable, Hashable {
        case literal(JSONValue)
        case name([Step])
        case macro(TemplateMacro, [TemplateExpression])
        case operation(TemplateOperator, TemplateExpression, TemplateExpression)
        case not(TemplateExpression)
        /// `x is defined`, `x is none`.
        case test(TemplateTest, TemplateExpression)
        /// `then if condition else other`.
        case choice(TemplateExpression, condition: TemplateExpression, other: TemplateExpression)
    }

    enum Step: Sendable, Hashable {
        case member(String)
        case element(Int)
    }

    struct Filter: Sendable, Hashable {
        var kind: TemplateFilter
        var arguments: [TemplateExpression]
        var position: TemplatePosition
    }

    var value: Value
    var filters: [Filter] = []
    var position: TemplatePosition

    /// What it is made of, in the order in which it is written.
    var parts: [TemplateExpression] {
        let own: [TemplateExpression] =
            switch value {
            case .literal, .name: []
            case .macro(_, let arguments): arguments
            case .operation(_, let left, let right): [left, right]
            case .not(let operand), .test(_, let operand): [operand]
            case .choice(let then, let condition, let other): [then, condition, other]
            }
        return own + filters.flatMap(\.arguments)
    }

    /// Every name in it, with its place.
    func eachName<Failure: Error>(_ body: ([Step], TemplatePosition) throws(Failure) -> Void) throws(Failure) {
        if case .name(let steps) = value { try body(steps, position) }
        for part in parts { try part.eachName(body) }
    }

    /// The value as it was written, for errors.
    var shown: String {
        guard case .name(let steps) = value else { return "the value" }
        return TemplateNames.text(of: steps).shown()
    }
}

/// What a value can be asked with `is`.
enum TemplateTest: String, Sendable, CaseIterable {
    case defined, none
}
