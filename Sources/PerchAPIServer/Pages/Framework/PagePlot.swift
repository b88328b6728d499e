// SPDX-License-Identifier: Apache-2.0

/// Columns of stacked counts, one beside the other, as a picture that says in words what it shows.
struct PagePlot {
    struct Column {
        /// Below it; empty: nothing.
        var label: String
        /// What it says when pointed at.
        var words: String
        /// From below: the name of a colour, and how many.
        var parts: [(kind: String, count: Int)]

        var total: Int { parts.reduce(0) { $0 + $1.count } }
    }

    /// What the picture says, in a sentence.
    var words: String
    var columns: [Column]
    /// What the colours mean.
    var key: [(kind: String, symbol: String, words: String)]

    private static let (width, height, base, top) = (720.0, 150.0, 128.0, 18.0)

    var html: HTML {
        let most = columns.map(\.total).max() ?? 0
        let step = (Self.width - 20) / Double(max(1, columns.count))
        var shapes: [HTML] = []
        for (place, column) in columns.enumerated() {
            let x = 10 + step * Double(place)
            var y = Self.base
            var bars: [HTML] = []
            for part in column.parts where part.count > 0 {
                let size = max(1.5, (Self.base - Self.top) * Double(part.count) / Double(max(1, most)))
                y -= size
                bars.append(
                    "<rect class=\"\(part.kind)\" x=\"\(x + 1)\" y=\"\(y)\" width=\"\(step - 2)\" height=\"\(size)\"/>")
            }
            if !bars.isEmpty { shapes.append("<g><title>\(column.words)</title>\(bars)</g>") }
            if !column.label.isEmpty {
                shapes.append("<text x=\"\(x + step / 2)\" y=\"144\" text-anchor=\"middle\">\(column.label)</text>")
            }
        }
        let scale: HTML = .when(most > 0, "<text x=\"10\" y=\"12\">\(most.grouped) at most</text>")
        let items = key.map { entry -> HTML in
            "<li><span class=\"m \(entry.kind)\" aria-hidden=\"true\">\(entry.symbol)</span>\(entry.words)</li>"
        }
        return """
            <ul class="legend" aria-label="What the colours mean">\(items)</ul><svg class="plot" viewBox="0 0 \(Self.width) \(Self.height)" role="img" aria-label="\(words)">\
            <path class="axis" d="M10 \(Self.base)H\(Self.width - 10)"/>\(scale)\(shapes)</svg>
            """
    }
}
