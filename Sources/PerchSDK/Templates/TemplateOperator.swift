// SPDX-License-Identifier: Apache-2.0

/// What stands between two values in a template.
enum TemplateOperator: String, Sendable, CaseIterable {
    case or, and
    case equal = "=="
    case unequal = "!="
    case lessOrEqual = "<="
    case less = "<"
    case greaterOrEqual = ">="
    case greater = ">"
    case isIn = "in"
    case isNotIn = "not in"
    case plus = "+"
    case minus = "-"
    case joined = "~"
    case floorDivided = "//"
    case divided = "/"
    case times = "*"
    case remainder = "%"

    /// How strongly it binds; those of one strength are read from left to right.
    var strength: Int {
        switch self {
        case .or: 1
        case .and: 2
        case .equal, .unequal, .lessOrEqual, .less, .greaterOrEqual, .greater, .isIn, .isNotIn: Self.comparing
        case .plus, .minus: 5
        case .joined: 6
        case .times, .divided, .floorDivided, .remainder: 7
        }
    }

    /// The strength of `not`, just below that of comparisons.
    static let negating = 3
    /// The strength of comparisons, which are not chained.
    static let comparing = 4

    /// The value of two operands; `or` and `and` are not asked here, for they may not need the second.
    func apply(_ left: JSONValue, _ right: JSONValue, _ place: TemplatePosition) throws(PerchError) -> JSONValue {
        switch self {
        case .or, .and: return left.isTrueInTemplates == (self == .or) ? left : right
        case .equal: return .bool(Self.areEqual(left, right))
        case .unequal: return .bool(!Self.areEqual(left, right))
        case .less, .lessOrEqual, .greater, .greaterOrEqual: return .bool(try compare(left, right, place))
        case .isIn: return .bool(try Self.contains(right, left, place))
        case .isNotIn: return .bool(!(try Self.contains(right, left, place)))
        case .joined: return .string(left.textInTemplates + right.textInTemplates)
        case .plus:
            if case .string(let first) = left, case .string(let second) = right { return .string(first + second) }
            return try calculate(left, right, place)
        case .minus, .times, .divided, .floorDivided, .remainder: return try calculate(left, right, place)
        }
    }

    private func calculate(_ left: JSONValue, _ right: JSONValue, _ place: TemplatePosition) throws(PerchError)
        -> JSONValue
    {
        guard let first = left.double, let second = right.double else {
            let hint = self == .plus ? "; texts are joined by '~'" : ""
            throw place.fault("'\(rawValue)' takes two numbers, not \(left.kindText) and \(right.kindText)\(hint)")
        }
        if second == 0, self == .divided || self == .floorDivided || self == .remainder {
            throw place.fault("'\(rawValue)' by 0")
        }
        if self != .divided, case .integer(let first) = left, case .integer(let second) = right {
            guard let whole = whole(first, second) else {
                throw place.fault("the result of '\(rawValue)' is too large")
            }
            return .integer(whole)
        }
        let result: Double =
            switch self {
            case .plus: first + second
            case .minus: first - second
            case .times: first * second
            case .floorDivided: (first / second).rounded(.down)
            case .remainder: first - second * (first / second).rounded(.down)
            default: first / second
            }
        guard result.isFinite else { throw place.fault("the result of '\(rawValue)' is too large") }
        return .number(result)
    }

    /// Of whole numbers; division is rounded down, and a remainder has the sign of the divisor. Nil: it does not fit.
    private func whole(_ left: Int64, _ right: Int64) -> Int64? {
        let (result, overflow): (Int64, Bool)
        switch self {
        case .plus: (result, overflow) = left.addingReportingOverflow(right)
        case .minus: (result, overflow) = left.subtractingReportingOverflow(right)
        case .times: (result, overflow) = left.multipliedReportingOverflow(by: right)
        case .remainder:
            // Nothing divided by -1 leaves anything, and the least number would overflow.
            let rest = right == -1 ? 0 : left % right
            return rest != 0 && (rest < 0) != (right < 0) ? rest + right : rest
        default:
            (result, overflow) = left.dividedReportingOverflow(by: right)
            if !overflow, result * right != left, (left < 0) != (right < 0) { return result - 1 }
        }
        return overflow ? nil : result
    }

    private func compare(_ left: JSONValue, _ right: JSONValue, _ place: TemplatePosition) throws(PerchError) -> Bool {
        func holds<Value: Comparable>(_ left: Value, _ right: Value) -> Bool {
            switch self {
            case .less: left < right
            case .lessOrEqual: left <= right
            case .greater: left > right
            default: left >= right
            }
        }
        switch (left, right) {
        case (.integer(let first), .integer(let second)): return holds(first, second)
        case (.string(let first), .string(let second)): return holds(first, second)
        default:
            guard let first = left.double, let second = right.double else {
                throw place.fault(
                    "'\(rawValue)' takes two numbers or two texts, not \(left.kindText) and \(right.kindText)")
            }
            return holds(first, second)
        }
    }

    /// Equal numbers are equal, whole or not.
    static func areEqual(_ left: JSONValue, _ right: JSONValue) -> Bool {
        switch (left, right) {
        case (.integer, .number), (.number, .integer): left.double == right.double
        default: left == right
        }
    }

    private static func contains(
        _ whole: JSONValue, _ part: JSONValue, _ place: TemplatePosition
    ) throws(PerchError) -> Bool {
        switch (whole, part) {
        case (.string(let text), .string(let piece)): return piece.isEmpty || text.firstRange(of: piece) != nil
        case (.array(let elements), _): return elements.contains { areEqual($0, part) }
        case (.object(let members), .string(let name)): return members[name] != nil
        default:
            throw place.fault(
                "'in' looks for a text in a text, a value in a list or a name in an object, not for \(part.kindText) in "
                    + whole.kindText)
        }
    }
}

extension JSONValue {
    /// A number as a double; nil for everything else.
    var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    /// A string as it is, everything else as JSON.
    var textInTemplates: String {
        if case .string(let text) = self { text } else { text }
    }

    /// What `if` makes of it: null, false, 0 and what is empty are false.
    var isTrueInTemplates: Bool {
        switch self {
        case .null: false
        case .bool(let value): value
        case .integer(let value): value != 0
        case .number(let value): value != 0
        case .string(let text): !text.isEmpty
        case .array(let elements): !elements.isEmpty
        case .object(let members): !members.isEmpty
        }
    }

    /// What it is, for errors.
    var kindText: String {
        switch self {
        case .null: "null"
        case .bool: "a truth value"
        case .integer, .number: "a number"
        case .string: "a text"
        case .array: "a list"
        case .object: "an object"
        }
    }
}
