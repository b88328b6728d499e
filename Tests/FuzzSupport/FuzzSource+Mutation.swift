// SPDX-License-Identifier: Apache-2.0

extension FuzzSource {
    /// The text with some of its bytes changed; what is no UTF-8 then is repaired as strings do it.
    public mutating func mutated(_ text: String, with other: String = "") -> String {
        String(decoding: mutated(Array(text.utf8), with: Array(other.utf8)), as: UTF8.self)
    }

    /// The bytes, changed in one to three places.
    public mutating func mutated(_ bytes: [UInt8], with other: [UInt8] = []) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<int(1...3) { change(&bytes, other) }
        return bytes
    }

    private mutating func change(_ bytes: inout [UInt8], _ other: [UInt8]) {
        let place = int(0...bytes.count)
        switch int(0...9) {
        case 0 where !bytes.isEmpty: bytes[int(0...bytes.count - 1)] ^= 1 << UInt8(int(0...7))
        case 1: bytes.removeSubrange(place...)
        case 2: bytes.removeSubrange(..<place)
        case 3: bytes.replaceSubrange(slice(of: bytes), with: [])
        case 4:
            let slice = Array(bytes[slice(of: bytes)])
            for _ in 0..<int(1...3) { bytes.insert(contentsOf: slice, at: place) }
        case 5: bytes = Array(bytes[..<place]) + other.suffix(int(0...other.count))
        case 6: bytes.insert(contentsOf: pick(Self.words), at: place)
        case 7: bytes.replaceSubrange(slice(of: bytes), with: pick(Self.words))
        case 8 where one(in: 4):
            let opening = pick(["[", "(", "{\"a\":", "{\"not\":", "ds_add(", "{{", "(?:"])
            bytes.insert(contentsOf: Array(repeating: Array(opening.utf8), count: int(1...3_000)).joined(), at: place)
        default: bytes.insert(UInt8(int(0...255)), at: place)
        }
    }

    private mutating func slice(of bytes: [UInt8]) -> Range<Int> {
        let start = int(0...bytes.count)
        return start..<min(bytes.count, start + int(0...12))
    }

    /// What tends to go wrong: large numbers, halves of escapes, bytes that are no UTF-8, signs of every grammar.
    private static let words: [[UInt8]] =
        [
            "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1e400", "-0", "0x10", "00", "1e-400",
            "999999999999999999999999999999", "\\", "\\u", "\\ud800", "\\udc00", "\\u{", "\\x", "\"", "'", "{{", "}}",
            "{",
            "}", "[", "]", "(", ")", "*", "+", "?", "{1000}", "{0,1000}", "{,2}", "()", "|", "..", "/", ",", "-", ":",
            "\u{0}",
            "\n", "\r\n", "\u{1B}[31m", "\u{301}", "null", "true", "NaN", "@", "#", "%", "(?i)", "[^", "\\b", "$", "^",
        ].map { Array($0.utf8) } + [
            [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82],
        ]
}
