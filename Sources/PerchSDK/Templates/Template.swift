// SPDX-License-Identifier: Apache-2.0

/// A string with `{{ … }}` in it, which are filled in from an attempt's names, dates and params.
///
/// - Names: `ds`, `data_interval_end`, `params.x.y`, `dag_run.run_id` and others, `TemplateNames` has them. In a mapped task
///   `element`, `element.x.y` and `element[0]`: what the instance is for. Dates are in UTC.
/// - Variables and connections: `var.value.KEY`, `var.json.KEY.member`, `conn.ID.host`, and `port`, `login`, `password`,
///   `schema`, `conn_type`, `uri`, `extra.NAME`. Where the text is stored (sensors, waits), nothing secret and no `conn`.
/// - Filters: `{{ data_interval_end | ds }}`, `{{ params.x | default('y') | upper }}`; see `TemplateFilter`.
/// - Macros: `ds_add(ds, -1)`, also as `macros.ds_add`; see `TemplateMacro`.
/// - Operators: `+ - * / // %`, `~` that joins texts, comparisons, `in`, `and`, `or`, `not`, `is defined`, `is none`, and
///   `a if x else b`. There are no loops and no code: filling in always ends, in bounded time and space.
/// - `{{ '{{' }}` gives two braces; `}}` needs no escape outside.
///
/// Whatever does not resolve is an error with its line and column; nothing is left empty in silence.
public struct Template: Sendable, Hashable {
    enum Part: Sendable, Hashable {
        case text(String)
        case expression(TemplateExpression)
    }

    let parts: [Part]
    /// As it was written; empty where there is nothing to fill in.
    private let source: String

    /// Reads a template.
    /// - Throws: `PerchError` (`invalid`) with line and column of what is wrong.
    public init(_ text: String) throws(PerchError) {
        guard Self.hasBraces(text) else {
            parts = text.isEmpty ? [] : [.text(text)]
            source = ""
            return
        }
        source = text
        var parser = TemplateParser(text)
        parts = try parser.parts()
    }

    /// Whether there may be something to fill in.
    package static func hasBraces(_ text: String) -> Bool {
        var previous: UInt8 = 0
        for byte in text.utf8 {
            if byte == UInt8(ascii: "{"), previous == byte { return true }
            previous = byte
        }
        return false
    }

    /// The string with everything filled in.
    /// - Throws: `PerchError` (`invalid`) with line and column of what does not resolve, and what would.
    public func render(_ scope: TemplateScope) throws(PerchError) -> String {
        var scope = scope
        scope.template = source
        var result = ""
        for part in parts {
            switch part {
            case .text(let text): result += text
            case .expression(let expression):
                result += try expression.text(in: scope)
                if result.utf8.count > source.utf8.count + Self.longestResult {
                    throw Self.tooLong(expression.position)
                }
            }
        }
        return result
    }

    /// Renders a string.
    /// - Throws: `PerchError` (`invalid`) with line and column of what is wrong or does not resolve.
    public static func render(_ text: String, with scope: TemplateScope) throws(PerchError) -> String {
        try Template(text).render(scope)
    }
}

/// Where in a template something stands: `line:column`, both from 1.
struct TemplatePosition: Sendable, Hashable {
    var line: Int
    var column: Int

    func fault(_ reason: String) -> PerchError {
        PerchError(.invalid, "template \(line):\(column): \(reason)")
    }
}
