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
        var problems: [String] = []
        expression.eachName { steps, place in
            if !isMapped, steps.first == .member("element") {
                problems.append(place.fault("'element' is for mapped tasks: what each instance is for").message)
            } else if let problem = TemplateNames.problem(of: steps) {
                problems.append(place.fault(problem).message)
            }
        }
        return problems
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
        for case .expression(let expression) in template.parts {
            expression.eachName { found.append(($0, $1)) }
        }
        return found
    }

    private static func shown(_ text: String) -> String {
        text.shown()
    }
}
