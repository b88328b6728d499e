// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// The fields of a task as one attempt finds them: those of its operator, of what it waits for, of its limits.
struct TaskRendering {
    struct Field {
        var name: String
        var template: String
        /// With everything filled in; nil where that cannot be done.
        var rendered: String?
        /// Why not.
        var problem: String?

        var record: Record {
            ["field": .text(name), "rendered": .text(rendered), "template": .text(template), "problem": .text(problem)]
        }
    }

    let fields: [Field]

    init(_ task: LoneTask, _ facts: AttemptFacts) {
        let declared = task.definition.templateFields + (task.dag.code[task.index]?.templateFields ?? [])
        let scope = TemplateScope(facts)
        fields = declared.map { field in
            var shown = Field(name: field.name, template: field.text)
            do throws(PerchError) {
                shown.rendered = try Self.rendered(field.text, scope)
            } catch {
                shown.problem = error.message
            }
            return shown
        }
    }

    /// A field as people may see it: nothing secret is looked up here, so that none is shown.
    private static func rendered(_ text: String, _ scope: TemplateScope) throws(PerchError) -> String {
        try Template.render(text, with: scope)
    }
}
