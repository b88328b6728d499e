// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Values in whose strings templates may stand.
enum TemplatedValues {
    static func templates(of values: [JSONValue]) -> [String] {
        var found: [String] = []
        for value in values { collect(value, &found) }
        return found
    }

    private static func collect(_ value: JSONValue, _ found: inout [String]) {
        switch value {
        case .null, .bool, .integer, .number: break
        case .string(let text): found.append(text)
        case .array(let elements): for element in elements { collect(element, &found) }
        case .object(let members):
            for (_, member) in members.sorted(by: { $0.key < $1.key }) { collect(member, &found) }
        }
    }

    static func rendered(_ values: [JSONValue], _ context: TaskContext) async throws -> [JSONValue] {
        var rendered: [JSONValue] = []
        for value in values { rendered.append(try await context.render(value)) }
        return rendered
    }
}
