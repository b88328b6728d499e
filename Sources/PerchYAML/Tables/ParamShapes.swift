// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// The keys of a param with a type.
enum ParamShapes {
    static let param = ObjectShape(
        name: "a param with a type",
        fields: [
            Field(
                "type", kind, "what it is; a default that is a mapping itself is written {type: object, default: …}",
                required: true),
            Field("default", .any, "its value where none is given; without one a run has to be given one"),
            Field("required", .yes, "true: it has no default, and a run has to be given one"),
            Field("description", .text, "what people are told of it", others: ["title", "doc"]),
            Field("enum", .list(.any), "the only values that it may have", others: ["choices", "values", "options"]),
            Field("minimum", .number, "the least number", others: ["min"]),
            Field("maximum", .number, "the greatest number", others: ["max"]),
            Field("min_length", count, "the fewest characters of a string", others: ["minLength"]),
            Field("max_length", count, "the most characters of a string", others: ["maxLength"]),
            Field("min_items", count, "the fewest elements of an array", others: ["minItems"]),
            Field("max_items", count, "the most elements of an array", others: ["maxItems"]),
            Field("pattern", .text, "a regular expression that all of a string has to match", others: ["regex"]),
            Field("items", .object(items), "of what type the elements of an array are"),
        ],
        rules: [.excludes("required", ["default"])])

    private static let kind: Shape = .choice(ParamSchema.Kind.allCases.map(\.rawValue))
    private static let count: Shape = .integer(0...Int64(Int32.max))
    private static let items = ObjectShape(
        name: "a type of elements", fields: [Field("type", kind, "what each is", required: true)], short: "type")

    /// The keys of bounds, with the types that have them.
    static let bounds: [(name: String, kinds: [ParamSchema.Kind])] = [
        ("minimum", [.integer, .number]), ("maximum", [.integer, .number]), ("min_length", [.string]),
        ("max_length", [.string]), ("min_items", [.array]), ("max_items", [.array]), ("pattern", [.string]),
        ("items", [.array]),
    ]
}
