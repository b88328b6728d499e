// SPDX-License-Identifier: Apache-2.0

extension FormField {
    /// A value of some that may be chosen, and what people see of it.
    typealias Choice = (value: String, words: String)

    /// One line.
    /// - Parameters:
    ///   - type: What the browser takes it for.
    ///   - more: Other attributes.
    func line(_ value: String = "", type: HTML = "text", _ more: HTML = .empty) -> HTML {
        html { marks in "<input type=\"\(type)\" value=\"\(exact: value)\"\(marks)\(more)>" }
    }

    /// A password, which is never sent back.
    /// - Parameter isNew: Whether the browser is to offer one rather than to know it.
    func password(isNew: Bool) -> HTML {
        let kind: HTML = isNew ? "new-password" : "current-password"
        return html { marks in "<input type=\"password\" autocomplete=\"\(kind)\" required\(marks)>" }
    }

    /// Several lines.
    func area(_ value: String = "", _ more: HTML = .empty) -> HTML {
        // The first line's end behind the tag is not part of the value.
        html { marks in "<textarea rows=\"3\"\(marks)\(more)>\n\(exact: value)</textarea>" }
    }

    /// One of some values.
    func select(_ choices: [Choice], _ chosen: String, _ more: HTML = .empty) -> HTML {
        let options = choices.map { choice -> HTML in
            let mark: HTML = .when(choice.value == chosen, " selected")
            return "<option value=\"\(exact: choice.value)\"\(mark)>\(choice.words)</option>"
        }
        return html { marks in "<select\(marks)\(more)>\(options)</select>" }
    }
}

extension HTML {
    /// Why nothing of a form was done; what is wrong with fields stands beside them, and this is told where nothing else is.
    static func alert(_ faults: [String: String]) -> HTML {
        guard !faults.isEmpty else { return .empty }
        let words = faults[""] ?? "Nothing was done: see what is wrong beside the fields."
        return "<p class=\"flash\" role=\"alert\">\(words)</p>"
    }

    /// A part of a page with a heading.
    static func section(_ id: HTML, _ title: String, _ body: HTML) -> HTML {
        "<section aria-labelledby=\"\(id)\"><h2 id=\"\(id)\">\(title)</h2>\(body)</section>"
    }

    /// What is there beside a value that is not.
    static func soft(_ words: String) -> HTML { "<span class=\"soft\">\(words)</span>" }
}

extension String {
    /// As a form's lines end where they are stored: a browser ends them as the network does.
    var withPlainLines: String { replacing("\r\n", with: "\n") }
}
