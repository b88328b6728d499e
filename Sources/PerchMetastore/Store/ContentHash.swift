// SPDX-License-Identifier: Apache-2.0

/// A hash that is the same on every machine and in every version of this program: stored, and compared later.
enum ContentHash {
    /// FNV-1a, 64 bits.
    static func fnv1a(_ text: String, seed: UInt64 = 0xCBF2_9CE4_8422_2325) -> UInt64 {
        var hash = seed
        for byte in text.utf8 {
            hash ^= UInt64(byte)
            hash = hash &* 0x0000_0100_0000_01B3
        }
        return hash
    }

    /// 128 bits as text: two passes, the second over another seed. It tells versions apart; it is no safeguard against an
    /// attacker.
    static func hexadecimal(of text: String) -> String {
        let first = fnv1a(text)
        let second = fnv1a(text, seed: first ^ UInt64(text.utf8.count))
        return hexadecimal(first) + hexadecimal(second)
    }

    private static func hexadecimal(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    /// The number by which waits for the same target are found.
    static func targetKey(kind: String, target: String) -> Int64 {
        Int64(bitPattern: fnv1a(target, seed: fnv1a(kind)))
    }
}
