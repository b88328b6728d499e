// SPDX-License-Identifier: Apache-2.0

extension JSONValue {
    /// Whether a string in it may hold a template.
    var holdsTemplates: Bool {
        switch self {
        case .null, .bool, .integer, .number: false
        case .string(let text): Template.hasBraces(text)
        case .array(let elements): elements.contains { $0.holdsTemplates }
        case .object(let members): members.values.contains { $0.holdsTemplates }
        }
    }

    /// The value with the templates of every string in it filled in; names of members stay as they are.
    /// - Throws: `PerchError` (`invalid`) that names the place in the document, then line and column in the string.
    public func rendered(with scope: TemplateScope) throws(PerchError) -> JSONValue {
        try rendered(scope, "")
    }

    private func rendered(_ scope: TemplateScope, _ place: String) throws(PerchError) -> JSONValue {
        switch self {
        case .null, .bool, .integer, .number:
            return self
        case .string(let text):
            do throws(PerchError) {
                return .string(try Template.render(text, with: scope))
            } catch {
                throw place.isEmpty ? error : PerchError(.invalid, "\(place): \(error.message)")
            }
        case .array(let elements):
            var result: [JSONValue] = []
            result.reserveCapacity(elements.count)
            for (index, element) in elements.enumerated() {
                result.append(try element.rendered(scope, "\(place)[\(index)]"))
            }
            return .array(result)
        case .object(let members):
            var result: [String: JSONValue] = [:]
            for (name, member) in members.sorted(by: { $0.key < $1.key }) {
                result[name] = try member.rendered(scope, place.isEmpty ? name : "\(place).\(name)")
            }
            return .object(result)
        }
    }
}

extension TriggerSpec {
    /// Whether a string in it may hold a template: else it is what it is for every run.
    package var holdsTemplates: Bool {
        Template.hasBraces(target) || due?.strings.contains(where: Template.hasBraces) ?? false
            || definition.holdsTemplates
    }

    /// The trigger with the templates of every string in it filled in: what is registered and armed.
    /// - Throws: `PerchError` (`invalid`) that names the field, then line and column in the string.
    public func rendered(with scope: TemplateScope) throws(PerchError) -> TriggerSpec {
        var result = self
        result.target = try Template.render(target, with: scope)
        result.due = try due?.rendered(with: scope)
        result.definition = try definition.rendered(with: scope)
        return result
    }
}
