// SPDX-License-Identifier: Apache-2.0

/// What is asked of a value in a JSON document.
///
/// Numbers are compared as numbers (1 equals 1.0), strings by their characters; values of different kinds are never
/// equal, greater or less.
public enum JSONTest: Hashable, Sendable {
    case equals(JSONValue)
    /// There is a value, and it is another.
    case notEquals(JSONValue)
    case isIn([JSONValue])
    case greaterThan(JSONValue)
    case atLeast(JSONValue)
    case lessThan(JSONValue)
    case atMost(JSONValue)
    /// There is a value (null is one), or, with false, there is none.
    case exists(Bool)
    /// A string in which the pattern matches somewhere.
    case matches(TextPattern)
    /// A string with this part, an array with this element, an object with a member of this name.
    case contains(JSONValue)

    /// There is a value; null is one.
    public static var exists: JSONTest { .exists(true) }
    /// A string in which the pattern matches somewhere.
    public static func matches(_ pattern: String) -> JSONTest { .matches(TextPattern(pattern)) }
    /// One of some values.
    public static func `in`(_ values: [JSONValue]) -> JSONTest { .isIn(values) }

    /// Whether the values that a path selected pass: for `notEquals` all of them, else one of them.
    func passes(_ values: [JSONValue]) -> Bool {
        switch self {
        case .exists(let wanted): values.isEmpty != wanted
        case .notEquals(let other): !values.isEmpty && !values.contains { $0.isSame(as: other) }
        default: values.contains { passes($0) }
        }
    }

    private func passes(_ value: JSONValue) -> Bool {
        switch self {
        case .equals(let other): value.isSame(as: other)
        case .notEquals(let other): !value.isSame(as: other)
        case .isIn(let others): others.contains { value.isSame(as: $0) }
        case .greaterThan(let other): value.isLess(than: other, orSame: false, swapped: true)
        case .atLeast(let other): value.isLess(than: other, orSame: true, swapped: true)
        case .lessThan(let other): value.isLess(than: other, orSame: false)
        case .atMost(let other): value.isLess(than: other, orSame: true)
        case .exists(let wanted): wanted
        case .matches(let pattern): if case .string(let text) = value { pattern.matches(text) } else { false }
        case .contains(let other):
            switch (value, other) {
            case (.string(let text), .string(let part)): text.contains(part)
            case (.array(let elements), _): elements.contains { $0.isSame(as: other) }
            case (.object(let members), .string(let name)): members[name] != nil
            default: false
            }
        }
    }

    var problem: String? {
        switch self {
        case .matches(let pattern):
            return pattern.problem
        case .greaterThan(let value), .atLeast(let value), .lessThan(let value), .atMost(let value):
            switch value {
            case .integer, .number, .string: return nil
            default: return "\(value.text.shown()) is neither a number nor a string; nothing is greater or less than it"
            }
        case .isIn(let values):
            return values.isEmpty ? "the list of values is empty, so that none can be in it" : nil
        default:
            return nil
        }
    }
}

extension JSONTest: CustomStringConvertible {
    /// In words, for people: `in ["DONE","FAILED"]`.
    public var description: String {
        switch self {
        case .equals(let value): "= \(value.text)"
        case .notEquals(let value): "≠ \(value.text)"
        case .isIn(let values): "in \(JSONValue.array(values).text)"
        case .greaterThan(let value): "> \(value.text)"
        case .atLeast(let value): "≥ \(value.text)"
        case .lessThan(let value): "< \(value.text)"
        case .atMost(let value): "≤ \(value.text)"
        case .exists(let wanted): wanted ? "exists" : "does not exist"
        case .matches(let pattern): "matches /\(pattern.text)/"
        case .contains(let value): "contains \(value.text)"
        }
    }
}

extension JSONValue {
    /// Equal as JSON: 1 and 1.0 are the same number.
    func isSame(as other: JSONValue) -> Bool {
        switch (self, other) {
        case (.integer(let whole), .number(let number)), (.number(let number), .integer(let whole)):
            Double(whole) == number && Int64(exactly: number) == whole
        case (.array(let left), .array(let right)):
            left.count == right.count && zip(left, right).allSatisfy { $0.isSame(as: $1) }
        case (.object(let left), .object(let right)):
            left.count == right.count && left.allSatisfy { name, value in right[name]?.isSame(as: value) ?? false }
        default:
            self == other
        }
    }

    /// Whether this is less than the other; `swapped` asks whether the other is less than this.
    func isLess(than other: JSONValue, orSame: Bool, swapped: Bool = false) -> Bool {
        let (left, right) = swapped ? (other, self) : (self, other)
        switch (left, right) {
        case (.integer(let low), .integer(let high)): return orSame ? low <= high : low < high
        case (.string(let low), .string(let high)):
            return low.unicodeScalars.lexicographicallyPrecedes(high.unicodeScalars) || (orSame && low == high)
        case (.number(let low), .number(let high)): return orSame ? low <= high : low < high
        case (.integer(let low), .number(let high)):
            let order = Self.order(low, high)
            return order < 0 || (orSame && order == 0)
        case (.number(let low), .integer(let high)):
            let order = Self.order(high, low)
            return order > 0 || (orSame && order == 0)
        default: return false
        }
    }

    /// -1, 0 or 1 as the whole number is less than the other, the same, or greater. Exact: not every whole number of 64 bits
    /// is a double.
    private static func order(_ whole: Int64, _ number: Double) -> Int {
        if number >= 0x1p63 { return -1 }
        if number < -0x1p63 { return 1 }
        let floor = number.rounded(.down)
        let other = Int64(floor)
        return whole != other ? (whole < other ? -1 : 1) : floor < number ? -1 : 0
    }
}
