// SPDX-License-Identifier: Apache-2.0

/// Reads a page as strictly as nobody else does: every tag is closed in its order, every attribute quoted, nothing stands raw that
/// would be markup. What it finds wrong is told; what the page says is kept.
struct MarkupCheck {
    struct Element {
        var name: String
        var attributes: [String: String]
        /// What stands in it, of all elements in it.
        var text = ""
        /// The names of the elements around it, from the outermost on.
        var around: [String]
    }

    private(set) var faults: [String] = []
    private(set) var elements: [Element] = []

    private static let voids: Set<String> = ["meta", "link", "input", "br", "hr", "img"]

    init(_ page: String) {
        var rest = Substring(page)
        var open: [Int] = []
        if rest.hasPrefix("<!DOCTYPE html>") { rest = rest.dropFirst(15) } else { faults.append("no doctype") }
        while let start = rest.firstIndex(of: "<") {
            let text = rest[..<start]
            if text.contains(">") { faults.append("a raw '>' in \(text.suffix(40))") }
            for place in open { elements[place].text += Self.decoded(text) }
            rest = rest[start...].dropFirst()
            if rest.hasPrefix("/") {
                let name = String(rest.dropFirst().prefix { $0 != ">" })
                rest = rest.dropFirst(name.count + 2)
                guard let last = open.popLast(), elements[last].name == name else {
                    faults.append("</\(name)> closes \(open.last.map { elements[$0].name } ?? "nothing")")
                    continue
                }
                continue
            }
            let name = String(rest.prefix { $0.isLetter || $0.isNumber })
            guard !name.isEmpty else {
                faults.append("a raw '<' before \(rest.prefix(40))")
                continue
            }
            rest = rest.dropFirst(name.count)
            var element = Element(name: name, attributes: [:], around: open.map { elements[$0].name })
            var isClosed = Self.voids.contains(name)
            while true {
                rest = rest.drop { $0 == " " || $0 == "\n" }
                if rest.hasPrefix("/>") {
                    rest = rest.dropFirst(2)
                    isClosed = true
                    break
                }
                if rest.hasPrefix(">") {
                    rest = rest.dropFirst()
                    break
                }
                let key = String(rest.prefix { $0.isLetter || $0.isNumber || $0 == "-" || $0 == ":" })
                guard !key.isEmpty else {
                    faults.append("<\(name)> has a wrong attribute before \(rest.prefix(40))")
                    return
                }
                rest = rest.dropFirst(key.count)
                guard rest.hasPrefix("=") else {
                    if element.attributes.updateValue("", forKey: key) != nil {
                        faults.append("<\(name)> has \(key) twice")
                    }
                    continue
                }
                guard rest.hasPrefix("=\"") else {
                    faults.append("\(key) of <\(name)> is not quoted")
                    return
                }
                let value = rest.dropFirst(2).prefix { $0 != "\"" }
                if value.contains("<") { faults.append("a raw '<' in \(key) of <\(name)>") }
                if element.attributes.updateValue(Self.decoded(value), forKey: key) != nil {
                    faults.append("<\(name)> has \(key) twice")
                }
                rest = rest.dropFirst(value.count + 3)
            }
            elements.append(element)
            if !isClosed { open.append(elements.count - 1) }
        }
        if !open.isEmpty { faults.append("not closed: \(open.map { elements[$0].name })") }
        checkDocument()
    }

    /// What every page has to have, whatever it shows.
    private mutating func checkDocument() {
        let ids = elements.compactMap { $0.attributes["id"] }
        let twice = Dictionary(grouping: ids) { $0 }.filter { $0.value.count > 1 }.keys.sorted()
        if !twice.isEmpty { faults.append("ids that are there twice: \(twice)") }
        for element in elements {
            for name in ["for", "aria-labelledby", "aria-describedby"] {
                if let id = element.attributes[name], !ids.contains(id) {
                    faults.append("\(name)='\(id)' leads nowhere")
                }
            }
            for name in element.attributes.keys where name.hasPrefix("on") || name == "style" {
                faults.append("<\(element.name)> has \(name)")
            }
            switch element.name {
            case "script":
                if element.attributes["src"] == nil { faults.append("a script stands in the page") }
            case "style": faults.append("styles stand in the page")
            case "table":
                if !elements.contains(where: { $0.name == "caption" }) { faults.append("a table without a caption") }
            case "th":
                if element.attributes["scope"] == nil { faults.append("a th without a scope") }
            case "input", "select", "textarea":
                let isNamed =
                    element.attributes["type"] == "hidden" || element.attributes["aria-label"] != nil
                    || element.around.contains("label")
                    || elements.contains { $0.name == "label" && $0.attributes["for"] == element.attributes["id"] }
                if !isNamed { faults.append("nobody says what <\(element.name) \(element.attributes)> is") }
            case "a", "button":
                let words = element.text.filter { !$0.isWhitespace }
                if words.isEmpty, element.attributes["aria-label"] == nil {
                    faults.append("a <\(element.name)> without words")
                }
            default: break
            }
        }
        let headings = elements.compactMap { element -> Int? in
            guard element.name.count == 2, element.name.hasPrefix("h") else { return nil }
            return Int(element.name.dropFirst())
        }
        if headings.filter({ $0 == 1 }).count != 1 || headings.first != 1 { faults.append("headings \(headings)") }
        for (one, next) in zip(headings, headings.dropFirst()) where next > one + 1 {
            faults.append("a heading is passed over: \(headings)")
        }
        for name in ["main", "header", "nav", "title"] where !elements.contains(where: { $0.name == name }) {
            faults.append("no <\(name)>")
        }
        if elements.first(where: { $0.name == "a" })?.attributes["href"] != "#main" { faults.append("no skip link") }
    }

    /// Where links and forms lead.
    var targets: [(method: String, path: String)] {
        elements.compactMap { element in
            switch element.name {
            case "a", "link": element.attributes["href"].map { ("GET", $0) }
            case "script", "img": element.attributes["src"].map { ("GET", $0) }
            case "form":
                element.attributes["action"].map { (element.attributes["method"] == "post" ? "POST" : "GET", $0) }
            default: nil
            }
        }
    }

    func texts(_ name: String) -> [String] { elements.filter { $0.name == name }.map(\.text) }

    private static func decoded(_ text: Substring) -> String {
        guard text.contains("&") else { return String(text) }
        var decoded = String(text)
        for (word, character) in [
            ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#13;", "\r"), ("&amp;", "&"),
        ] { decoded = decoded.replacing(word, with: character) }
        return decoded
    }
}
