// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// What the templates of a task's operator become in one dispatch: collected as the code fills them in, and told once, when all
/// are filled in or the code has ended.
struct RenderedFields {
    private let fields: [TemplateField]
    /// By the template.
    private var results: [String: String] = [:]
    /// Templates that have not been filled in yet.
    private var missing: Set<String>
    private var isTold = false

    /// Nil where no field holds a template: there is nothing to tell then.
    init?(_ fields: [TemplateField]) {
        let templates = fields.lazy.map(\.text).filter(Template.hasBraces)
        missing = Set(templates)
        guard !missing.isEmpty else { return nil }
        self.fields = fields
    }

    /// A template was filled in. Gives what is to be told now; nil: nothing.
    mutating func filled(_ template: String, as result: String) -> [RenderedField]? {
        guard !isTold, missing.remove(template) != nil else { return nil }
        results[template] = result
        return missing.isEmpty ? told() : nil
    }

    /// The code has ended. Gives what is to be told now; nil: nothing.
    mutating func ended() -> [RenderedField]? {
        guard !isTold, !results.isEmpty else { return nil }
        return told()
    }

    /// Fields without templates are as they stand; what was not filled in is left out.
    private mutating func told() -> [RenderedField] {
        isTold = true
        defer { results = [:] }
        return fields.compactMap { field in
            let text = Template.hasBraces(field.text) ? results[field.text] : field.text
            return text.map { RenderedField(field.name, $0) }
        }
    }
}
