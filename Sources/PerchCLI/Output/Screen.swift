// SPDX-License-Identifier: Apache-2.0

/// What stands on a terminal's screen; gives the bytes that bring it from one picture to the next.
///
/// Lines are safe text, cut to the screen's width by whoever makes them.
struct Screen {
    /// A screen's size in characters.
    struct Size: Hashable {
        var columns: Int
        var rows: Int
    }

    private var size: Size?
    private var lines: [String] = []

    /// The bytes that show other lines: only what has changed is written, all of it after the size has changed. Lines
    /// that do not fit are left out.
    mutating func show(_ next: [String], size: Size) -> [UInt8] {
        var bytes: [UInt8] = []
        if size != self.size {
            self.size = size
            lines = []
            bytes += "\u{1B}[2J".utf8
        }
        let shown = Array(next.prefix(size.rows))
        for row in 0..<max(shown.count, lines.count) {
            let line = row < shown.count ? shown[row] : ""
            guard row >= lines.count || lines[row] != line else { continue }
            // To the line's begin, the text, and what is left of the old line goes.
            bytes += "\u{1B}[\(row + 1);1H\(line)\u{1B}[K".utf8
        }
        lines = shown
        return bytes
    }
}
