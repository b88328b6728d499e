// SPDX-License-Identifier: Apache-2.0

/// What a param of a run may be: the part of JSON Schema that a form needs.
public struct ParamSchema: Hashable, Sendable {
    /// The types of JSON Schema.
    public enum Kind: String, Sendable, CaseIterable {
        case string, integer, number, boolean, array, object
    }

    public var kind: Kind
    /// What people are told of it.
    public var description: String?
    /// The only values that it may have.
    public var choices: [JSONValue]?
    /// The least number, or length of a string or an array.
    public var minimum: Double?
    /// The greatest number, or length of a string or an array.
    public var maximum: Double?
    /// What a whole string has to match.
    public var pattern: String?
    /// What the elements of an array are.
    public var items: Kind?

    /// A type without further bounds.
    public init(_ kind: Kind, description: String? = nil) {
        self.kind = kind
        self.description = description
    }

    /// What is wrong with the schema itself; nil where nothing is.
    var problem: String? {
        if let choices {
            if choices.isEmpty { return "is a choice of nothing" }
            if let wrong = choices.first(where: { !Self.is($0, kind) }) {
                return "has the choice \(wrong.text.shown(40)), which is no \(kind.rawValue)"
            }
        }
        if let minimum, let maximum, minimum > maximum { return "is at least \(minimum) and at most \(maximum)" }
        if pattern != nil, kind != .string { return "has a pattern, but is no string" }
        if items != nil, kind != .array { return "has elements, but is no array" }
        if let pattern, let fault = TextPattern(Self.whole(pattern)).problem { return "has a wrong pattern: \(fault)" }
        return nil
    }

    /// What is wrong with a value, after the param's name; nil where nothing is.
    package func problem(of value: JSONValue) -> String? {
        guard Self.is(value, kind) else { return "is \(wanted), not \(value.text.shown(40))" }
        if let choices, !choices.contains(value) { return "is \(wanted), not \(value.text.shown(40))" }
        switch value {
        case .integer(let number): return bounds(Double(number), "is \(number)")
        case .number(let number): return bounds(number, "is \(number)")
        case .string(let text):
            if let pattern, !TextPattern(Self.whole(pattern)).matches(text) {
                return "is '\(text.shown(40))', which does not match \(pattern)"
            }
            return bounds(Double(text.count), "has \(text.count) characters")
        case .array(let elements):
            if let items, let wrong = elements.firstIndex(where: { !Self.is($0, items) }) {
                return "has the element \(wrong), \(elements[wrong].text.shown(40)), which is no \(items.rawValue)"
            }
            return bounds(Double(elements.count), "has \(elements.count) elements")
        default: return nil
        }
    }

    private func bounds(_ number: Double, _ found: String) -> String? {
        if let minimum, number < minimum { return "\(found); it is at least \(Self.text(minimum))" }
        if let maximum, number > maximum { return "\(found); it is at most \(Self.text(maximum))" }
        return nil
    }

    private static func text(_ number: Double) -> String { Int64(exactly: number).map { "\($0)" } ?? "\(number)" }

    /// What the param takes, in words.
    private var wanted: String {
        if let choices { return "one of " + choices.map { $0.text.shown(40) }.joined(separator: ", ") }
        return kind == .integer || kind == .array || kind == .object ? "an \(kind.rawValue)" : "a \(kind.rawValue)"
    }

    private static func whole(_ pattern: String) -> String { "^(?:\(pattern))$" }

    private static func `is`(_ value: JSONValue, _ kind: Kind) -> Bool {
        switch (kind, value) {
        case (.string, .string), (.integer, .integer), (.number, .integer), (.number, .number), (.boolean, .bool),
            (.array, .array), (.object, .object):
            true
        default: false
        }
    }
}

extension ParamSchema: JSONConvertible {
    /// The schema as JSON Schema has it.
    public var json: JSONValue {
        var members: [String: JSONValue] = ["type": .string(kind.rawValue)]
        if let description { members["description"] = .string(description) }
        if let choices { members["enum"] = .array(choices) }
        let (least, most) =
            switch kind {
            case .string: ("minLength", "maxLength")
            case .array: ("minItems", "maxItems")
            case .integer, .number, .boolean, .object: ("minimum", "maximum")
            }
        func number(_ value: Double) -> JSONValue { Int64(exactly: value).map { .integer($0) } ?? .number(value) }
        if let minimum { members[least] = number(minimum) }
        if let maximum { members[most] = number(maximum) }
        if let pattern { members["pattern"] = .string(Self.whole(pattern)) }
        if let items { members["items"] = .object(["type": .string(items.rawValue)]) }
        return .object(members)
    }

    /// Reads what `json` writes; other keywords of JSON Schema are refused.
    public init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "the schema of a param")
        func kind(_ name: String, _ field: String) throws(PerchError) -> Kind {
            guard let kind = Kind(rawValue: name) else {
                throw fields.fault(field, "one of \(Kind.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            return kind
        }
        self.init(try kind(try fields.string("type"), "type"))
        let known: Set<String> = [
            "type", "description", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
            "pattern", "items",
        ]
        if let other = fields.members.keys.filter({ !known.contains($0) }).min() {
            throw fields.fault(other, "left out: a param's schema has \(known.sorted().joined(separator: ", "))")
        }
        func number(_ names: [String]) throws(PerchError) -> Double? {
            for name in names {
                switch fields.members[name] {
                case .integer(let number): return Double(number)
                case .number(let number): return number
                case nil: continue
                default: throw fields.fault(name, "a number")
                }
            }
            return nil
        }
        if fields.members["description"] != nil { description = try fields.string("description") }
        if fields.members["enum"] != nil { choices = try fields.array("enum") }
        minimum = try number(["minimum", "minLength", "minItems"])
        maximum = try number(["maximum", "maxLength", "maxItems"])
        if fields.members["pattern"] != nil {
            let text = try fields.string("pattern")
            let isWhole = text.hasPrefix("^(?:") && text.hasSuffix(")$")
            pattern = isWhole ? String(text.dropFirst(4).dropLast(2)) : ".*(?:\(text)).*"
        }
        if let items = fields.members["items"] {
            self.items = try kind(try JSONFields(items, of: "the elements of a param").string("type"), "items")
        }
        if let problem { throw PerchError(.invalid, "the schema of a param: it \(problem)") }
    }
}

extension DAGDefinition {
    /// The params that every run has to be given: those with a type and without a default.
    public var requiredParams: [String] { paramSchemas.keys.filter { params[$0] == nil }.sorted() }

    /// What is wrong with the params as they are declared, each with the param's name.
    package var paramProblems: [(param: String, message: String)] {
        var problems: [(param: String, message: String)] = []
        for (name, schema) in paramSchemas.sorted(by: { $0.key < $1.key }) {
            if let problem = schema.problem {
                problems.append((name, "the param '\(name.shown(40))' \(problem)"))
            } else if let value = params[name], let problem = schema.problem(of: value) {
                problems.append((name, "the default of the param '\(name.shown(40))': it \(problem)"))
            }
        }
        if schedule != .none, let name = requiredParams.first(where: { !isGivenByEvents($0) }) {
            let problem = "has no default, and nobody gives one to runs that are scheduled"
            problems.append((name, "the param '\(name.shown(40))' \(problem)"))
        }
        return problems
    }

    /// Whether every run that the schedule creates is given the param by an event.
    private func isGivenByEvents(_ name: String) -> Bool {
        guard case .events(let events) = schedule, events.ticks == nil else { return false }
        return events.patterns.allSatisfy { $0.params[name] != nil }
    }

    /// What runs may be given, as JSON Schema.
    public var paramsSchema: JSONValue {
        var properties: [String: JSONValue] = [:]
        for (name, schema) in paramSchemas {
            guard case .object(var members) = schema.json else { continue }
            if let value = params[name] { members["default"] = value }
            properties[name] = .object(members)
        }
        for (name, value) in params where properties[name] == nil {
            properties[name] = .object(["default": value])
        }
        var schema: [String: JSONValue] = [
            "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
            "properties": .object(properties),
        ]
        if !requiredParams.isEmpty { schema["required"] = .array(requiredParams.map { .string($0) }) }
        if !paramSchemas.isEmpty { schema["additionalProperties"] = .bool(false) }
        return .object(schema)
    }

    /// What is wrong with the params of a run, its defaults filled in; nil where nothing is. Names that the DAG does not
    /// have are wrong where it has types.
    package func problem(ofParams given: [String: JSONValue], besides known: Set<String> = []) -> String? {
        guard !paramSchemas.isEmpty else { return nil }
        for name in given.keys.sorted() where params[name] == nil && paramSchemas[name] == nil && !known.contains(name)
        {
            let names = Set(params.keys).union(paramSchemas.keys).sorted().joined(separator: ", ")
            return "the DAG '\(dagID)' has no param '\(name.shown(40))'; there is \(names)"
        }
        for (name, schema) in paramSchemas.sorted(by: { $0.key < $1.key }) {
            guard let value = given[name] else {
                return "the DAG '\(dagID)' needs the param '\(name)'"
            }
            if let problem = schema.problem(of: value) { return "the param '\(name)' \(problem)" }
        }
        return nil
    }
}
