// SPDX-License-Identifier: Apache-2.0

/// Aligned columns for people.
struct Table {
    /// How wide the output is; nil where it is not a terminal, so that nothing is cut.
    var width: Int?

    /// The widths of the columns of some rows, heading included, cut so that the table fits the terminal.
    func widths(headings: [String], rows: [[String]]) -> [Int] {
        var widths = headings.map { Self.columns(of: $0) }
        for row in rows {
            for (index, cell) in row.enumerated() { widths[index] = max(widths[index], Self.columns(of: cell)) }
        }
        guard let width, !widths.isEmpty else { return widths }
        // The widest column gives way first, down to what can still be read.
        var excess = widths.reduce(0, +) + 2 * (widths.count - 1) - width
        while excess > 0, let widest = widths.indices.max(by: { widths[$0] < widths[$1] }), widths[widest] > 12 {
            let next = widths.filter { $0 < widths[widest] }.max() ?? 0
            let cut = min(excess, max(1, min(widths[widest] - max(12, next), excess)))
            widths[widest] -= cut
            excess -= cut
        }
        return widths
    }

    /// One line of the table.
    func line(_ cells: [String], widths: [Int]) -> String {
        var line = ""
        for (index, cell) in cells.enumerated() {
            let shown = Self.cut(cell, to: widths[index])
            line += shown
            if index < cells.count - 1 {
                line += String(repeating: " ", count: max(0, widths[index] - Self.columns(of: shown)) + 2)
            }
        }
        while line.hasSuffix(" ") { line.removeLast() }
        return line
    }

    private static func cut(_ cell: String, to width: Int) -> String {
        guard columns(of: cell) > width else { return cell }
        var kept = ""
        var used = 0
        for character in cell {
            let columns = columns(of: character)
            if used + columns > width - 1 { break }
            kept.append(character)
            used += columns
        }
        return kept + "…"
    }

    /// How many columns of a terminal a text takes.
    static func columns(of text: String) -> Int {
        text.utf8.count == text.unicodeScalars.count ? text.utf8.count : text.reduce(0) { $0 + columns(of: $1) }
    }

    private static func columns(of character: Character) -> Int {
        guard let scalar = character.unicodeScalars.first else { return 0 }
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
            0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            return 2
        default: return 1
        }
    }
}
