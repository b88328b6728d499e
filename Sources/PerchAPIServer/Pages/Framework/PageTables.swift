// SPDX-License-Identifier: Apache-2.0

/// A column of a table on a page.
struct PageColumn: Sendable {
    var words: String
    /// `num`, `tight`; `mid` and `wide` are left out where the window is narrow.
    var kind: String
    /// Whether its words are only there for whoever does not see the table.
    var isHidden: Bool

    init(_ words: String, _ kind: String = "", isHidden: Bool = false) {
        self.words = words
        self.kind = kind
        self.isHidden = isHidden
    }
}

extension HTML {
    /// A table that is moved sideways where it is too wide for the window.
    ///
    /// - Parameters:
    ///   - caption: What it shows; for whoever does not see it, unless it is shown.
    ///   - rows: Each a `tr`; where there are none, `empty` is said.
    static func table(
        _ caption: String, kind: String = "", isCaptionShown: Bool = false, _ columns: [PageColumn], _ rows: [HTML],
        empty: String
    ) -> HTML {
        guard !rows.isEmpty else { return "<p class=\"empty\">\(empty)</p>" }
        let head = columns.map { column -> HTML in
            let words: HTML = column.isHidden ? "<span class=\"vh\">\(column.words)</span>" : "\(column.words)"
            return "<th scope=\"col\" class=\"\(column.kind)\">\(words)</th>"
        }
        let hidden: HTML = .when(!isCaptionShown, " class=\"vh\"")
        return """
            <div class="scroll" role="region" aria-label="\(caption)" tabindex="0"><table class="\(kind)">\
            <caption\(hidden)>\(caption)</caption><thead><tr>\(head)</tr></thead>
            <tbody>
            \(rows.joined(by: "\n"))
            </tbody></table></div>
            """
    }

    /// Facts, one below the other.
    static func facts(_ facts: [(words: String, value: HTML)], inPairs: Bool = false) -> HTML {
        let items = facts.map { fact -> HTML in "<dt>\(fact.words)</dt><dd>\(fact.value)</dd>" }
        return "<dl class=\"facts\(inPairs ? " pair" : "")\">\(items)</dl>"
    }

    /// Links to the pages before and after; nil where there is none.
    static func pager(_ words: String, before: String?, after: String?) -> HTML {
        guard before != nil || after != nil else { return "<p class=\"pager\">\(words)</p>" }
        let back: HTML = before.map { "<a class=\"button\" rel=\"prev\" href=\"\(exact: $0)\">← Back</a>" } ?? .empty
        let next: HTML = after.map { "<a class=\"button\" rel=\"next\" href=\"\(exact: $0)\">More →</a>" } ?? .empty
        return "<nav class=\"pager\" aria-label=\"Pages\">\(back)<span>\(words)</span>\(next)</nav>"
    }

    /// A choice of one of some values, each a link.
    static func choices(_ label: String, _ choices: [(words: String, path: String, isCurrent: Bool)]) -> HTML {
        let items = choices.map { choice -> HTML in
            let mark: HTML = .when(choice.isCurrent, " aria-current=\"true\"")
            return "<a class=\"tag\" href=\"\(exact: choice.path)\"\(mark)>\(choice.words)</a>"
        }
        return "<nav class=\"row\" aria-label=\"\(label)\">\(items.joined(by: " "))</nav>"
    }
}
