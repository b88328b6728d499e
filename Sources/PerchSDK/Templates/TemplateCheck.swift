// SPDX-License-Identifier: Apache-2.0

/// Finds what is wrong with a template before any run exists.
public enum TemplateCheck {
    /// Mistakes in syntax, names, filters and macros, each with its line and column. Params are not known yet: any
    /// `params.x` may come true.
    public static func problems(in text: String) -> [String] {
        let template: Template
        do throws(PerchError) {
            template = try Template(text)
        } catch {
            return ["\(error.message) in \"\(shown(text))\""]
        }
        return template.parts.flatMap { part -> [String] in
            guard case .expression(let expression) = part else { return [] }
            return problems(in: expression).map { "\($0) in \"\(shown(text))\"" }
        }
    }

    private static func problems(in expression: TemplateExpression) -> [String] {
        switch expression.value {
        case .literal: []
        case .name(let steps):
            TemplateNames.problem(of: steps).map { [expression.position.fault($0).message] } ?? []
        case .addDays(let date, let days): problems(in: date) + problems(in: days)
        }
    }

    private static func shown(_ text: String) -> String {
        text.shown()
    }
}
