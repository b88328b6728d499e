// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Values in whose strings templates may stand.
enum TemplatedValues {
    static func rendered(_ values: [JSONValue], _ context: TaskContext) async throws -> [JSONValue] {
        var rendered: [JSONValue] = []
        for value in values { rendered.append(try await context.render(value)) }
        return rendered
    }
}
