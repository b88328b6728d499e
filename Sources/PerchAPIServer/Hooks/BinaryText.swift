// SPDX-License-Identifier: Apache-2.0

/// Bytes written as two digits each.
enum Hexadecimal {
    static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// Nil for what is not such a text.
    static func bytes(in text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        guard rest.count.isMultiple(of: 2) else { return nil }
        while let high = rest.popFirst(), let low = rest.popFirst() {
            guard let high = digit(high), let low = digit(low) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }
}

/// Bytes written as RFC 4648 has it, with or without the signs that fill it up.
enum Base64 {
    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let values: [UInt8: UInt32] = Dictionary(
        uniqueKeysWithValues: letters.enumerated().map { ($1, UInt32($0)) })

    /// Nil for what is not such a text.
    static func bytes(in text: some StringProtocol) -> [UInt8]? {
        var letters = Array(text.utf8)
        let length = letters.count
        while letters.last == UInt8(ascii: "="), length - letters.count < 2 { letters.removeLast() }
        guard letters.count % 4 != 1, length == letters.count || length.isMultiple(of: 4) else { return nil }
        var bytes: [UInt8] = []
        var (bits, count): (UInt32, UInt32) = (0, 0)
        for letter in letters {
            guard let value = values[letter] else { return nil }
            bits = bits << 6 | value
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> count))
            bits &= (1 << count) - 1
        }
        // What is left over has to be nothing, or two texts would stand for the same bytes.
        return bits == 0 ? bytes : nil
    }
}
