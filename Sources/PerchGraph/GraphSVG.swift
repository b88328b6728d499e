// SPDX-License-Identifier: Apache-2.0

extension DAGGraph {
    /// The graph as a picture that a browser shows: one SVG document, without scripts and without anything from elsewhere.
    public var svg: [String] {
        let labels = nodes.indices.map(label)
        let layout = GraphLayout(self, widths: labels.map { Double(24 + 8 * Self.columns($0)) })
        let (width, height) = (Self.number(layout.width), Self.number(layout.height))
        var lines = [
            #"<svg xmlns="http://www.w3.org/2000/svg" width="\#(width)" height="\#(height)" "#
                + #"viewBox="0 0 \#(width) \#(height)" font-family="monospace" font-size="13">"#,
            "<title>\(Self.escaped(dagID))</title>",
            #"<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">"#
                + #"<path d="M0 0L8 4L0 8z" fill="dimgray"/></marker></defs>"#,
            #"<rect width="100%" height="100%" fill="white"/>"#,
            #"<g fill="none" stroke="dimgray">"#,
        ]
        for (edge, path) in zip(edges, layout.paths) {
            let dashes = edge.outputs.isEmpty ? "" : #" stroke-dasharray="4 3""#
            var words = edge.outputs.isEmpty ? [] : ["on " + edge.outputs.joined(separator: " or ")]
            if edge.isElementwise { words.append("element by element") }
            let title = Self.escaped(words.joined(separator: ", "))
            let shape = #"<path marker-end="url(#end)" d="\#(Self.curve(path))"\#(dashes)"#
            lines.append(title.isEmpty ? shape + "/>" : shape + "><title>\(title)</title></path>")
        }
        lines.append("</g>")
        for (index, box) in layout.boxes.enumerated() { lines += shape(index, box, labels[index]) }
        lines.append("</svg>")
        return lines
    }

    private func label(_ index: Int) -> String {
        let node = nodes[index]
        return Self.cut(node.name) + (node.isMapped ? "[]" : "") + (node.tasks.count > 1 ? " ×\(node.tasks.count)" : "")
    }

    private func shape(_ index: Int, _ box: GraphLayout.Box, _ label: String) -> [String] {
        let node = nodes[index]
        var title = "\(node.name): \(node.kind)"
        if !node.states.isEmpty { title += ", \(stateWords(index))" }
        let (x, y) = (Self.number(box.x), Self.number(box.y))
        let frame = #"width="\#(Self.number(box.width))" height="\#(Self.number(box.height))" rx="6" stroke="dimgray""#
        var lines = ["<g><title>\(Self.escaped(title))</title>"]
        if node.isMapped || node.tasks.count > 1 {
            // One behind the other: more than one instance.
            lines.append(
                #"<rect x="\#(Self.number(box.x + 4))" y="\#(Self.number(box.y + 4))" \#(frame) fill="white"/>"#)
        }
        lines.append(#"<rect x="\#(x)" y="\#(y)" \#(frame) fill="\#(node.state?.colour ?? "white")"/>"#)
        let (middle, base) = (Self.number(box.x + box.width / 2), Self.number(box.y + box.height / 2 + 4.5))
        let ink = node.state?.isDark == true ? "white" : "black"
        lines.append(
            #"<text x="\#(middle)" y="\#(base)" text-anchor="middle" fill="\#(ink)">\#(Self.escaped(label))</text></g>"#
        )
        return lines
    }

    private static func curve(_ path: [GraphLayout.Point]) -> String {
        guard let first = path.first else { return "" }
        var text = "M\(number(first.x)) \(number(first.y))"
        for (one, next) in zip(path, path.dropFirst()) {
            if one.y == next.y {
                text += "H\(number(next.x))"
            } else {
                let middle = number((one.x + next.x) / 2)
                text += "C\(middle) \(number(one.y)) \(middle) \(number(next.y)) \(number(next.x)) \(number(next.y))"
            }
        }
        return text
    }

    /// Tenths are fine enough for a picture.
    private static func number(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
    }

    private static func cut(_ name: String) -> String { name.count <= 48 ? name : name.prefix(47) + "…" }

    private static func columns(_ text: String) -> Int {
        text.unicodeScalars.reduce(0) { $0 + ($1.value >= 0x1100 ? 2 : 1) }
    }

    /// Text of an XML document; what may not stand in one is left out.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            default:
                let isAllowed =
                    scalar.value >= 0x20 && !(0x7F..<0xA0).contains(scalar.value) && scalar.value & 0xFFFE != 0xFFFE
                if isAllowed { escaped.unicodeScalars.append(scalar) }
            }
        }
        return escaped
    }
}
