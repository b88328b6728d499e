// SPDX-License-Identifier: Apache-2.0

extension StringProtocol {
    /// The text as an error repeats it: on one line, not longer than so many characters, and with everything that a terminal
    /// would obey made visible. Characters are counted as Unicode scalars, as they are shown: to a reader's one, any number of
    /// marks can be joined.
    package func shown(_ most: Int = 80) -> String {
        // Nearly every name is plain and short, and a definition of many tasks shows each.
        if utf8.count <= most, utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return String(self) }
        var shown = String.UnicodeScalarView()
        var count = 0
        for scalar in unicodeScalars {
            var piece = String.UnicodeScalarView([scalar])
            switch scalar.value {
            case 0x09: piece = "\\t".unicodeScalars
            case 0x0A: piece = "\\n".unicodeScalars
            case 0x0D: piece = "\\r".unicodeScalars
            case 0x00..<0x20, 0x7F..<0xA0, 0x200E, 0x200F, 0x2028, 0x2029, 0x202A...0x202E, 0x2066...0x2069:
                piece = ("\\u{" + String(scalar.value, radix: 16) + "}").unicodeScalars
            default: break
            }
            count += piece.count
            guard count <= most else { return String(shown) + "…" }
            shown.append(contentsOf: piece)
        }
        return String(shown)
    }
}
