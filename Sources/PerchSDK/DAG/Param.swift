// SPDX-License-Identifier: Apache-2.0

/// A param of a DAG's runs, as it is declared: a default value alone, or a type with bounds.
///
/// ```swift
/// DAG(
///     "release",
///     params: [
///         "folder": "/data/in",                             // any value; this one where none is given
///         "region": .choice("eu", of: "eu", "us"),
///         "percent": .integer(10, in: 1...100, "How many of the users"),
///         "order": .string(matching: "[A-Z]-[0-9]+"),       // no default: every run has to be given one
///     ]
/// ) { … }
/// ```
public struct Param: Sendable, Hashable {
    /// The default; nil: a run has to be given one.
    public let value: JSONValue?
    /// What it may be; nil: anything.
    public let schema: ParamSchema?

    /// A param of its parts, as a document declares them.
    package init(_ value: JSONValue?, _ schema: ParamSchema?) {
        self.value = value
        self.schema = schema
    }

    /// A default of any type.
    public init(_ value: JSONValue) { self.init(value, nil) }

    /// A text, all of which matches a regular expression, of so many characters.
    public static func string(
        _ value: String? = nil, matching pattern: String? = nil, length: ClosedRange<Int>? = nil,
        _ description: String? = nil
    ) -> Param {
        var schema = ParamSchema(.string, description: description)
        schema.pattern = pattern
        schema.minimum = length.map { Double($0.lowerBound) }
        schema.maximum = length.map { Double($0.upperBound) }
        return Param(value.map { .string($0) }, schema)
    }

    /// A whole number.
    public static func integer(
        _ value: Int? = nil, in range: ClosedRange<Int>? = nil, _ description: String? = nil
    ) -> Param {
        var schema = ParamSchema(.integer, description: description)
        schema.minimum = range.map { Double($0.lowerBound) }
        schema.maximum = range.map { Double($0.upperBound) }
        return Param(value.map { .integer(Int64($0)) }, schema)
    }

    /// A number.
    public static func number(
        _ value: Double? = nil, in range: ClosedRange<Double>? = nil, _ description: String? = nil
    ) -> Param {
        var schema = ParamSchema(.number, description: description)
        schema.minimum = range?.lowerBound
        schema.maximum = range?.upperBound
        return Param(value.map { .number($0) }, schema)
    }

    /// True or false.
    public static func boolean(_ value: Bool? = nil, _ description: String? = nil) -> Param {
        Param(value.map { .bool($0) }, ParamSchema(.boolean, description: description))
    }

    /// One of some texts.
    public static func choice(_ value: String? = nil, of choices: String..., description: String? = nil) -> Param {
        var schema = ParamSchema(.string, description: description)
        schema.choices = choices.map { .string($0) }
        return Param(value.map { .string($0) }, schema)
    }

    /// An array, of elements of one type.
    public static func array(
        _ value: [JSONValue]? = nil, of items: ParamSchema.Kind? = nil, _ description: String? = nil
    ) -> Param {
        var schema = ParamSchema(.array, description: description)
        schema.items = items
        return Param(value.map { .array($0) }, schema)
    }
}

extension Param: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByStringInterpolation, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    /// `nil` is null.
    public init(nilLiteral: ()) { self.init(.null) }
    /// `true`, `false`.
    public init(booleanLiteral value: Bool) { self.init(.bool(value)) }
    /// A whole number.
    public init(integerLiteral value: Int64) { self.init(.integer(value)) }
    /// A number.
    public init(floatLiteral value: Double) { self.init(.number(value)) }
    /// A text.
    public init(stringLiteral value: String) { self.init(.string(value)) }
    /// An array.
    public init(arrayLiteral elements: JSONValue...) { self.init(.array(elements)) }
    /// An object. Of a repeated member the last one counts.
    public init(dictionaryLiteral members: (String, JSONValue)...) {
        self.init(.object(Dictionary(members, uniquingKeysWith: { _, last in last })))
    }
}
