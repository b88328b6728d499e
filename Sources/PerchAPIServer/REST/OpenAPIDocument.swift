// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// What `/api/v2` says of itself, made from the table by which it serves.
enum OpenAPIDocument {
    static func text(_ version: String) -> JSONValue {
        var schemas: [String: JSONValue] = ["Problem": problem.document]
        var paths: [String: [String: JSONValue]] = [:]
        for endpoint in EndpointTable.all {
            for schema in [endpoint.answer, endpoint.body].compactMap(\.self) { schema.collect(into: &schemas) }
            paths["/api/v2/" + endpoint.path, default: [:]][endpoint.method.rawValue.lowercased()] = operation(endpoint)
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "Perch", "version": .string(version),
                "description":
                    "What runs, what waits and why; starting and steering it. Lists are read a page at a time.",
            ],
            "paths": .object(paths.mapValues { .object($0) }),
            "components": [
                "schemas": .object(schemas), "securitySchemes": ["token": ["type": "http", "scheme": "bearer"]],
            ],
            "security": [["token": []]],
        ]
    }

    private static func operation(_ endpoint: Endpoint) -> JSONValue {
        var parameters: [JSONValue] = endpoint.segments.compactMap { segment in
            guard case .name(let name) = segment else { return nil }
            let schema = endpoint.pathSchemas[name] ?? usualPathSchemas[name] ?? .formed(.word(most: 1_000))
            return ["name": .string(name), "in": "path", "required": true, "schema": schema.document]
        }
        parameters += endpoint.parameters.map { parameter in
            var members: [String: JSONValue] = [
                "name": .string(parameter.name), "in": "query", "schema": parameter.schema.document,
                "description": .string(parameter.about),
            ]
            if case .choices = parameter.schema { members.merge(["style": "form", "explode": false]) { $1 } }
            return .object(members)
        }
        if [.kept, .own].contains(endpoint.repetition) {
            parameters.append([
                "name": "Idempotency-Key", "in": "header",
                "schema": ["type": "string", "minLength": 1, "maxLength": 255],
                "description": "Sent again with the same key it is done once, and answered as it was.",
            ])
        }
        var operation: [String: JSONValue] = [
            "summary": .string(endpoint.summary), "tags": [.string(tag(of: endpoint))],
            "operationId": .string(name(of: endpoint)), "parameters": .array(parameters),
            "x-perch-right": .string(endpoint.right.rawValue),
            "responses": .object(responses(of: endpoint)),
        ]
        if let body = endpoint.body {
            operation["requestBody"] = [
                "required": .bool(body.fields.contains(where: \.isRequired) || !endpoint.bodyRules.isEmpty),
                "content": ["application/json": ["schema": body.document(with: endpoint.bodyRules)]],
            ]
        }
        return .object(operation)
    }

    /// What stands in a path by its name, wherever nothing else is found under another.
    private static let usualPathSchemas: [String: Schema] = [
        "wait_id": .count, "backfill_id": .count, "try_number": .integer(1...Int64(Int32.max)),
        "variable_key": .formed(.storedName), "connection_id": .formed(.storedName), "user_name": .formed(.storedName),
        "token_name": .formed(.storedName), "pattern": .formed(.namePattern), "pool_name": .formed(.poolName),
        "dag_run_id": .formed(.runID),
    ]

    private static func responses(of endpoint: Endpoint) -> [String: JSONValue] {
        var success: [String: JSONValue] = ["description": "Done."]
        if let answer = endpoint.answer { success["content"] = ["application/json": ["schema": answer.document]] }
        switch endpoint.service {
        case .news: success["content"] = .object([NewsFeed.contentType: ["schema": Schema.text.document]])
        // Of each line: a document of its own.
        case .command:
            success["content"] = .object([CommandFeed.contentType: ["schema": endpoint.answer?.document ?? [:]]])
        case .call, .events: break
        }
        let problem: JSONValue = ["$ref": "#/components/schemas/Problem"]
        var responses: [String: JSONValue] = [
            "default": ["description": "Why not.", "content": ["application/problem+json": ["schema": problem]]]
        ]
        for status in [endpoint.status] + endpoint.otherStatuses { responses["\(status.code)"] = .object(success) }
        if endpoint.method == .get { responses["304"] = ["description": "Nothing has changed."] }
        return responses
    }

    private static func tag(of endpoint: Endpoint) -> String {
        let words = endpoint.segments.compactMap { if case .fixed(let text) = $0 { text } else { nil } }
        for word in ["taskInstances", "clearTaskInstances", "dagRuns"] where words.contains(word) { return word }
        return words.first ?? ""
    }

    /// `get_dags_dagRuns_by_dag_run_id`.
    private static func name(of endpoint: Endpoint) -> String {
        let words = endpoint.segments.map { segment in
            switch segment {
            case .fixed(let text): text.replacing(".", with: "_")
            case .name(let name): "by_" + name
            }
        }
        return ([endpoint.method.rawValue.lowercased()] + words).joined(separator: "_")
    }

    private static let problem = Schema.object([
        Schema.Field(name: "type", schema: .text, about: "about:blank: the status says what kind it is."),
        Schema.Field(name: "title", schema: .text, about: "The name of the status."),
        Schema.Field(name: "status", schema: .integer(400...599), about: "The status."),
        Schema.Field(name: "code", schema: .text, about: "The kind, for programs."),
        Schema.Field(name: "detail", schema: .text, about: "What is wrong, and what would be right."),
        Schema.Field(name: "line", schema: .count, about: "The line of a batch that is to blame.", isRequired: false),
        Schema.Field(
            name: "errors",
            schema: .list(
                .object([
                    Schema.Field(name: "detail", schema: .text, about: "What is wrong with it."),
                    Schema.Field(
                        name: "pointer", schema: .text, about: "The field of the body, as a JSON pointer.",
                        isRequired: false),
                    Schema.Field(
                        name: "parameter", schema: .text, about: "The parameter of the query.", isRequired: false),
                ]), most: .max), about: "What is to blame.", isRequired: false),
    ])
}

extension Schema {
    /// As JSON Schema 2020-12 has it.
    var document: JSONValue {
        switch self {
        case .text: return ["type": "string"]
        case .instant: return ["type": "string", "format": "date-time"]
        case .span: return Self.span("")
        case .positiveSpan: return Self.span("(?=.*[1-9])")
        case .integer(let range):
            var members: [String: JSONValue] = ["type": "integer"]
            if range.lowerBound != .min { members["minimum"] = .integer(range.lowerBound) }
            if range.upperBound != .max { members["maximum"] = .integer(range.upperBound) }
            return .object(members)
        case .number: return ["type": "number"]
        case .flag: return ["type": "boolean"]
        case .formed(let form): return form.document
        case .choice(let names): return ["type": "string", "enum": .array(names.map { .string($0) })]
        case .choices(let names):
            return ["type": "array", "items": Schema.choice(names).document, "minItems": 1]
        case .any: return [:]
        case .map: return ["type": "object"]
        case .list(let element, let most):
            var members: [String: JSONValue] = ["type": "array", "items": element.document]
            if most != .max { members["maxItems"] = .integer(Int64(most)) }
            return .object(members)
        case .object(let fields):
            var properties: [String: JSONValue] = [:]
            for field in fields { properties[field.name] = field.described }
            return [
                "type": "object", "properties": .object(properties), "additionalProperties": false,
                "required": .array(fields.filter(\.isRequired).map { .string($0.name) }),
            ]
        case .optional(let schema): return ["anyOf": [schema.document, ["type": "null"]]]
        case .named(let name, _): return ["$ref": .string("#/components/schemas/" + name)]
        case .selection(let schema):
            guard case .named(let name, _) = schema else { return schema.document }
            return ["anyOf": [schema.document, Schema.named(Self.selectionName(name), .any).document]]
        }
    }

    /// Longer ones are taken, too, where they fit.
    private static func span(_ ahead: String) -> JSONValue {
        let units = ["{1,4}d", "{1,5}h", "{1,7}m", "{1,8}s", "{1,11}ms", "{1,14}us"]
        return [
            "type": "string", "examples": ["1h30m"], "minLength": 2,
            "pattern": .string("^" + ahead + units.map { "([0-9]\($0))?" }.joined() + "$"),
        ]
    }

    /// As JSON Schema has it, with what else holds of an object.
    fileprivate func document(with rules: [String: JSONValue]) -> JSONValue {
        guard case .object(let members) = document else { return document }
        return .object(members.merging(rules) { $1 })
    }

    private static func selectionName(_ name: String) -> String { name + "Selection" }

    /// Gathers the schemas that have names, in all depth.
    func collect(into schemas: inout [String: JSONValue]) {
        switch self {
        case .named(let name, let schema):
            guard schemas.updateValue(schema.document, forKey: name) == nil else { return }
            schema.collect(into: &schemas)
        case .list(let schema, _), .optional(let schema): schema.collect(into: &schemas)
        case .selection(let schema):
            schema.collect(into: &schemas)
            guard case .named(let name, _) = schema else { return }
            let fields = schema.fields.map { field in
                var field = field
                field.isRequired = false
                return field
            }
            schemas[Self.selectionName(name)] = Schema.object(fields).document
        case .object(let fields): for field in fields { field.schema.collect(into: &schemas) }
        default: break
        }
    }
}

extension Schema.Field {
    fileprivate var described: JSONValue {
        guard case .object(var members) = schema.document else { return schema.document }
        members["description"] = .string(about)
        return .object(members)
    }
}
