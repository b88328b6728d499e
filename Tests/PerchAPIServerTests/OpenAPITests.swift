// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

/// Holds a value against a schema as JSON Schema has it, as far as the document uses it.
private struct SchemaCheck {
    let document: JSONValue
    /// Whether only some fields were asked for.
    var isSelected = false

    func faults(_ value: JSONValue, _ schema: JSONValue, at place: String) -> [String] {
        if case .string(let reference)? = schema["$ref"] {
            let name = reference.split(separator: "/").last.map(String.init) ?? ""
            guard let found = document["components"]?["schemas"]?[name] else { return ["\(place): no \(reference)"] }
            return faults(value, found, at: place)
        }
        if case .array(let ways)? = schema["anyOf"] {
            // Where no fields were asked for all of them are there.
            if case .string(let second)? = ways.last?["$ref"], second.hasSuffix("Selection"), !isSelected {
                return faults(value, ways[0], at: place)
            }
            return ways.contains { faults(value, $0, at: place).isEmpty }
                ? [] : ["\(place): none of its ways: \(value.text)"]
        }
        var found: [String] = []
        if case .array(let names)? = schema["enum"], !names.contains(value) { found.append("\(place): \(value.text)") }
        switch (schema["type"], value) {
        case ("string", .string(let text)):
            if schema["format"] == "date-time", (try? Timestamp(parsing: text)) == nil || !text.hasSuffix("Z") {
                found.append("\(place): no date-time: \(text)")
            }
        case ("integer", .integer(let number)):
            if case .integer(let least)? = schema["minimum"], number < least { found.append("\(place): \(number)") }
            if case .integer(let most)? = schema["maximum"], number > most { found.append("\(place): \(number)") }
        case ("number", .integer), ("number", .number), ("boolean", .bool), ("null", .null), (nil, _): break
        case ("array", .array(let values)):
            for (index, element) in values.enumerated() {
                found += faults(element, schema["items"] ?? [:], at: "\(place)/\(index)")
            }
        case ("object", .object(let members)):
            guard case .object(let properties)? = schema["properties"] else { break }
            if case .array(let names)? = schema["required"] {
                for case .string(let name) in names where members[name] == nil { found.append("\(place): no \(name)") }
            }
            for (name, value) in members.sorted(by: { $0.key < $1.key }) {
                if let schema = properties[name] {
                    found += faults(value, schema, at: "\(place)/\(name)")
                } else if schema["additionalProperties"] == false {
                    found.append("\(place): stray \(name)")
                }
            }
        default: found.append("\(place): \(value.text) is no \(schema["type"]?.text ?? "")")
        }
        return found
    }
}

@Suite("What the API says of itself", .timeLimit(.minutes(1)))
struct OpenAPITests {
    @Test("Every answer to a GET is what the OpenAPI document says, and so is every refusal")
    func answers() async throws {
        var surroundings = APISurroundings()
        surroundings.log = { _, _, _, _ in
            APISurroundings.LogPage(lines: ["2026-01-01T00:00:00Z INFO a", "b"], hasMore: false)
        }
        let bench = try await RESTBench(tokens: ["t"], surroundings: surroundings)
        let token = ["Authorization": "Bearer t"]
        try await bench.api.makeUser("anna", "correct horse", .viewer)
        _ = try await bench.api.makeToken("ci", AccessRights(.viewer))
        let done = AuditEntry(who: "anna", how: "command", action: "users create", subject: "ben")
        try await bench.api.metastore.write { try $0.audit(done) }
        let document = try await bench.get("openapi.json").json
        #expect(document["openapi"] == "3.1.0")
        let check = SchemaCheck(document: document)
        let wait = try #require(try await bench.waits().first)
        let backfill = try await bench.all("backfills", "backfills", limit: 9)[0]["id"]
        let names: [String: String] = [
            "dag_id": "orders", "dag_run_id": "r1", "task_id": "parse", "xcom_key": "return_value", "try_number": "1",
            "wait_id": "\(wait.waitID)", "pool_name": "gpu", "variable_key": "region",
            "backfill_id": backfill?.text ?? "", "user_name": "anna", "token_name": "ci", "connection_id": "db",
        ]
        guard case .object(let paths)? = document["paths"] else {
            Issue.record("no paths")
            return
        }
        var asked = 0
        for (path, operations) in paths.sorted(by: { $0.key < $1.key }) {
            guard let get = operations["get"] else { continue }
            // A stream has no end at which it could be looked at.
            if get["responses"]?["200"]?["content"]?["text/event-stream"] != nil { continue }
            var real = path
            for (name, value) in names { real = real.replacing("{\(name)}", with: value) }
            #expect(!real.contains("{"), "\(path)")
            let answer = try await bench.api.send("GET \(real)", token)
            #expect(answer.status == 200, "\(real): \(answer)")
            let schema = try #require(get["responses"]?["200"]?["content"]?["application/json"]?["schema"], "\(path)")
            #expect(check.faults(answer.json, schema, at: path) == [])
            // Lists have something in them, or nothing was checked.
            if answer.json.names.contains("next_cursor") {
                #expect(answer.json.names.contains { answer.json[$0]?[0] != nil }, "\(path) is empty")
            }
            try await checkSelection(get, real, schema, document, bench)
            let refused = try await bench.api.send("GET \(real)?colour=red", token)
            let problem = try #require(document["components"]?["schemas"]?["Problem"])
            #expect(refused.status == 400 && check.faults(refused.json, problem, at: path) == [])
            asked += 1
        }
        #expect(asked > 25)
        try await bench.end()
    }

    /// Each field that the document offers can be asked for alone, and then the answer is what the document says, too.
    private func checkSelection(
        _ get: JSONValue, _ path: String, _ schema: JSONValue, _ document: JSONValue, _ bench: RESTBench
    ) async throws {
        guard case .array(let parameters)? = get["parameters"],
            let fields = parameters.first(where: { $0["name"] == "fields" })
        else { return }
        #expect(fields["style"] == "form" && fields["explode"] == false, "\(path)")
        guard case .array(let names)? = fields["schema"]?["items"]?["enum"] else {
            Issue.record("\(path) names no fields")
            return
        }
        let check = SchemaCheck(document: document, isSelected: true)
        for case .string(let name) in names {
            let answer = try await bench.get(String(path.dropFirst("/api/v2/".count)) + "?fields=\(name)")
            #expect(answer.status == 200 && check.faults(answer.json, schema, at: path) == [], "\(path) \(name)")
        }
        for wrong in ["", "colour", ","] {
            let answer = try await bench.get(String(path.dropFirst("/api/v2/".count)) + "?fields=\(wrong)")
            #expect(answer.problem?.blamed == "fields", "\(path) \(wrong)")
        }
    }

    @Test("The check that answers are held to finds what is wrong")
    func check() {
        let check = SchemaCheck(document: ["components": ["schemas": ["A": Schema.instant.document]]])
        let schema = Schema.object([
            Schema.Field(name: "at", schema: .named("A", .instant), about: ""),
            Schema.Field(name: "n", schema: .optional(.count), about: ""),
        ]).document
        #expect(check.faults(["at": "2026-01-01T00:00:00Z", "n": nil], schema, at: "") == [])
        for wrong in [["at": "x", "n": 1], ["at": "2026-01-01T00:00:00Z"], ["at": 1, "n": 1], ["n": -1], [1]]
            as [JSONValue]
        {
            #expect(check.faults(wrong, schema, at: "") != [], "\(wrong.text)")
        }
        #expect(check.faults(["at": "2026-01-01T00:00:00Z", "n": 1, "m": 1], schema, at: "") != [])
    }

    @Test("Every endpoint has a sentence, an id of its own, and a right; no path is there twice for a method")
    func table() {
        let all = EndpointTable.all
        #expect(Set(all.map { "\($0.method) \($0.path)" }).count == all.count)
        for endpoint in all {
            #expect(endpoint.summary.hasSuffix(".") || endpoint.summary.hasSuffix("3.1."), "\(endpoint.path)")
            #expect(Set(endpoint.parameters.map(\.name)).count == endpoint.parameters.count, "\(endpoint.path)")
            let first = endpoint.path.prefix { $0 != "/" }
            let isForAdministrators = ["auditLog", "users", "tokens"].contains(first)
            #expect(
                (endpoint.right == .read) == (endpoint.method == .get && !isForAdministrators), "\(endpoint.path)")
        }
        // One name for each part of a path, whatever the method.
        for endpoint in all {
            for other in all where other.segments.count == endpoint.segments.count {
                let isSame = zip(endpoint.segments, other.segments).allSatisfy { left, right in
                    switch (left, right) {
                    case (.name, .name): true
                    default: left == right
                    }
                }
                if isSame { #expect(endpoint.path == other.path) }
            }
        }
    }
}
