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

    /// - Parameter desk: Where variables and connections are looked up; nil: there are none.
    init(_ task: LoneTask, _ facts: AttemptFacts, _ desk: (any SecretDesk)?) async {
        let declared = task.definition.templateFields + (task.dag.code[task.index]?.templateFields ?? [])
        let scope = TemplateScope(facts)
        var fields: [Field] = []
        for field in declared {
            var shown = Field(name: field.name, template: field.text)
            do {
                shown.rendered = try await scope.filled(asking: { try await desk?.find($0)?.shown }) {
                    try Template.render(field.text, with: $0)
                }
            } catch let error as PerchError {
                shown.problem = error.message
            } catch {
                shown.problem = "\(error)"
            }
            fields.append(shown)
        }
        self.fields = fields
    }
}

extension FoundSecret {
    /// As people may see it: stars in place of what is secret.
    fileprivate var shown: FoundSecret {
        let stars = "***"
        switch self {
        case .secret: return .secret(stars)
        case .variable(let variable): return variable.isSecret ? .variable(Variable(stars)) : self
        case .connection(var connection):
            if connection.password != nil { connection.password = stars }
            connection.extra = connection.extra.mapValues { _ in .string(stars) }
            return .connection(connection)
        }
    }
}
