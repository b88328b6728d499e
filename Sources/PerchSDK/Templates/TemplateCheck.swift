// SPDX-License-Identifier: Apache-2.0

/// Finds what is wrong with a template before any run exists.
public enum TemplateCheck {
    /// Mistakes in syntax, names, filters and macros, each with its line and column. Params are not known yet: any
    /// `params.x` may come true, and in a mapped task any `element.x`.
    public static func problems(in text: String, isMapped: Bool = true) -> [String] {
        let template: Template
        do throws(PerchError) {
            template = try Template(text)
        } catch {
            return ["\(error.message) in \"\(shown(text))\""]
        }
        return template.parts.flatMap { part -> [String] in
            guard case .expression(let expression) = part else { return [] }
            return problems(in: expression, isMapped).map { "\($0) in \"\(shown(text))\"" }
        }
    }

    private static func problems(in expression: TemplateExpression, _ isMapped: Bool) -> [String] {
        switch expression.value {
        case .literal: []
        case .name(let steps) where !isMapped && steps.first == .member("element"):
            [expression.position.fault("'element' is for mapped tasks: what each instance is for").message]
        case .name(let steps):
            TemplateNames.problem(of: steps).map { [expression.position.fault($0).message] } ?? []
        case .addDays(let date, let days): problems(in: date, isMapped) + problems(in: days, isMapped)
        }
    }

    /// The names in a template that can be read, each with its place.
    static func names(in text: String) -> [(steps: [TemplateExpression.Step], position: TemplatePosition)] {
        guard Template.hasBraces(text) else { return [] }
        let template: Template
        do throws(PerchError) {
            template = try Template(text)
        } catch {
            // It is a problem of its own.
            return []
        }
        var found: [(steps: [TemplateExpression.Step], position: TemplatePosition)] = []
        for case .expression(let expression) in template.parts { found += names(in: expression) }
        return found
    }

    private static func names(
        in expression: TemplateExpression
    ) -> [(steps: [TemplateExpression.Step], position: TemplatePosition)] {
        switch expression.value {
        case .literal: []
        case .name(let steps): [(steps, expression.position)]
        case .addDays(let date, let days): names(in: date) + names(in: days)
        }
    }

    private static func shown(_ text: String) -> String {
        text.shown()
    }
}
