// SPDX-License-Identifier: Apache-2.0

/// Long texts in pieces that fit into rows.
enum TextPieces {
    /// Pieces of so many bytes at most, each of whole characters: of whole lines where they are short enough and `atLines`
    /// says so.
    static func split(_ bytes: [UInt8], most: Int, atLines: Bool = false) -> [String] {
        var pieces: [String] = []
        var rest = bytes[...]
        while rest.count > most {
            var end = rest.startIndex + most
            // Not between the bytes of a character; what is no UTF-8 ends somewhere all the same.
            while end > rest.startIndex + most - 4, rest[end] & 0xC0 == 0x80 { end -= 1 }
            if atLines, let line = rest[..<end].lastIndex(of: 0x0A) { end = line + 1 }
            pieces.append(String(decoding: rest[..<end], as: UTF8.self))
            rest = rest[end...]
        }
        if !rest.isEmpty { pieces.append(String(decoding: rest, as: UTF8.self)) }
        return pieces
    }
}
