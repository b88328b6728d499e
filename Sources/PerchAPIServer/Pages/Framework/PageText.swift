// SPDX-License-Identifier: Apache-2.0

import PerchMetastore

extension HTML {
    /// A text as it stands; of a long one the beginning, with how much there is.
    static func pre(_ text: String, most: Int) -> HTML {
        let isCut = text.utf8.count > most
        let shown = isCut ? String(decoding: text.utf8.prefix(most), as: UTF8.self) + " …" : text
        let more: HTML = .when(
            isCut, "<p class=\"soft\">The beginning of \(text.utf8.count.grouped) bytes; the API gives all of it.</p>")
        // A reader of HTML drops one end of line at the beginning.
        return "<pre tabindex=\"0\">\n\(shown)</pre>" + more
    }

    /// Lines of a file with their numbers, which are no text of it: who copies lines gets the lines alone.
    static func lines(_ lines: some Sequence<(number: Int, text: String)>) -> HTML {
        let rows = lines.map { line -> HTML in
            "<span class=\"ln\" id=\"L\(line.number)\" data-n=\"\(line.number)\">\(bounded(line.text))\n</span>"
        }
        return "<pre class=\"src\" tabindex=\"0\">\(rows)</pre>"
    }

    /// What differs between two texts: a sign, then the line, with its numbers in both.
    static func lines(_ difference: [SourceDifference.Line]) -> HTML {
        let rows = difference.map { line -> HTML in
            let numbers: HTML = "\(line.old.map { "\($0)" } ?? "") \(line.new.map { "\($0)" } ?? "")"
            let kind: HTML =
                switch line.kind {
                case .same: ""
                case .removed: " del"
                case .added: " add"
                }
            return """
                <span class="ln two\(kind)" data-n="\(numbers)">\(line.kind.rawValue) \(bounded(line.text))
                </span>
                """
        }
        return "<pre class=\"src\" tabindex=\"0\">\(rows)</pre>"
    }

    /// A line that is longer than anybody reads is cut.
    private static func bounded(_ line: String) -> String {
        line.utf8.count <= 500 ? line : "\(line.prefix(400)) … (\(line.utf8.count.grouped) bytes)"
    }
}
