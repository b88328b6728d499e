// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// An operator whose text is read as JSON: so that another task can be mapped over it, or depends on its being true.
struct JSONOutput<Base: Operator>: Operator {
    let base: Base
    let text: @Sendable (Base.Output) -> String

    init(_ base: Base, _ text: @escaping @Sendable (Base.Output) -> String) {
        self.base = base
        self.text = text
    }

    static var operatorName: String { Base.operatorName }
    static var hasOnKill: Bool { Base.hasOnKill }
    var templates: [String] { base.templates }
    var templateFields: [TemplateField] { base.templateFields }
    var problems: [String] { base.problems }

    func execute(_ context: TaskContext) async throws -> JSONValue {
        let output = text(try await base.execute(context))
        do {
            return try JSONValue(parsing: output)
        } catch {
            throw PerchError(.invalid, "the output is no JSON ('\(output.shown(80))')", cause: error)
        }
    }
}
