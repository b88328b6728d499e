// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

extension Shape {
    /// The shape as JSON Schema (draft 2020-12).
    var schema: JSONValue {
        switch self {
        case .text, .template: ["type": ["string", "number"]]
        case .flag: ["type": "boolean"]
        case .yes: ["const": true]
        case .integer(let range):
            .object(
                [
                    "type": "integer",
                    "minimum": range.lowerBound == .min ? .null : .integer(range.lowerBound),
                    "maximum": range.upperBound == .max ? .null : .integer(range.upperBound),
                ].filter { $1 != .null })
        case .templatedInteger(let range): ["anyOf": [Shape.integer(range).schema, ["type": "string"]]]
        case .number: ["type": "number"]
        case .span(let bound): ["type": "string", "pattern": .string(Self.pattern(bound))]
        case .choice(let choices): ["enum": .array(choices.map { .string($0) })]
        case .scalar: ["type": ["string", "number", "boolean"]]
        case .any: true
        case .list(let element): ["type": "array", "items": element.schema]
        case .oneOrMore(let element):
            // An element that is a list itself has no short form.
            ["anyOf": [element.schema, ["type": "array", "items": element.schema]]]
        case .dictionary(let element): ["type": "object", "additionalProperties": element.schema]
        case .object(let object): object.schema
        case .cases(let key, let first, let second):
            [
                "type": "object",
                "if": ["required": [.string(key)]], "then": first.schema, "else": second.schema,
            ]
        case .marked(let key, let object, let other):
            [
                "if": [
                    "type": "object", "minProperties": 1,
                    "anyOf": [
                        ["required": [.string(key)]],
                        [
                            "properties": .object(
                                Dictionary(uniqueKeysWithValues: object.fields.map { ($0.name, true) })),
                            "additionalProperties": false,
                        ],
                    ],
                ],
                "then": object.schema, "else": other.schema,
            ]
        case .named(let name): ["$ref": .string("#/$defs/\(name)")]
        }
    }

    private static func pattern(_ bound: SpanBound) -> String {
        let units = ["d", "h", "m", "s", "ms", "us"].map { "([0-9]+\($0))?" }.joined()
        return "^" + (bound == .any ? "-?" : "") + "(?=[0-9])" + units + "$"
    }
}

extension ObjectShape {
    fileprivate var schema: JSONValue {
        var properties: [String: JSONValue] = [:]
        for field in fields {
            var schema = field.shape.schema
            if case .object(var members) = schema {
                members["description"] = .string(field.summary)
                schema = .object(members)
            }
            properties[field.name] =
                field.isRequired || field.shape.takesNull ? schema : ["anyOf": [["type": "null"], schema]]
        }
        var members: [String: JSONValue] = [
            "type": "object", "properties": .object(properties), "additionalProperties": false,
        ]
        let required = fields.filter(\.isRequired).map(\.name)
        if !required.isEmpty { members["required"] = .array(required.map { .string($0) }) }
        if !rules.isEmpty { members["allOf"] = .array(rules.map { $0.schema(in: self) }) }
        guard let short, let field = field(short) else { return .object(members) }
        return ["anyOf": [field.shape.schema, .object(members)]]
    }
}

extension ObjectRule {
    fileprivate func schema(in shape: ObjectShape) -> JSONValue {
        func has(_ name: String) -> JSONValue {
            if shape.field(name)?.shape.takesNull == true { return ["required": [.string(name)]] }
            // A key without a value is one that is left out.
            return ["required": [.string(name)], "properties": .object([name: ["not": ["type": "null"]]])]
        }
        func any(_ names: [String]) -> JSONValue { ["anyOf": .array(names.map(has))] }
        switch self {
        case .exactlyOne(let names): return ["oneOf": .array(names.map(has))]
        case .atLeastOne(let names): return any(names)
        case .atMostOne(let names):
            var pairs: [JSONValue] = []
            for (index, first) in names.enumerated() {
                for second in names.dropFirst(index + 1) { pairs.append(["allOf": [has(first), has(second)]]) }
            }
            return ["not": ["anyOf": .array(pairs)]]
        case .needs(let name, let others): return ["if": has(name), "then": any(others)]
        case .excludes(let name, let others): return ["if": has(name), "then": ["not": any(others)]]
        }
    }
}
