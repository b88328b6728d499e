// SPDX-License-Identifier: Apache-2.0

import Crypto

/// What is shown to be let in, and is drawn by chance: tokens, sessions. Only digests of them are stored.
package enum AccessSecret {
    /// Before every token.
    package static let tokenPrefix = "perch_"

    /// 256 bits from the system's source, in letters and digits that headers and cookies carry, behind a word by which people
    /// and scanners see what it is.
    package static func make(_ prefix: String) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        let bytes = SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) }
        var text = prefix
        var (bits, count) = (0, 0)
        for byte in bytes {
            bits = bits << 8 | Int(byte)
            count += 8
            while count >= 6 {
                count -= 6
                text.append(digits[bits >> count & 63])
            }
            bits &= 63
        }
        return text + String(digits[bits << (6 - count) & 63])
    }

    /// By what one is stored and looked up: SHA-256, in hexadecimal digits. It is drawn from so many that no salt is needed.
    package static func digest(_ text: String) -> String {
        SHA256.hash(data: Array(text.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Whether two texts are the same, in a time that does not depend on where they differ.
    static func areSame(_ left: String, _ right: String) -> Bool {
        SHA256.hash(data: Array(left.utf8)) == SHA256.hash(data: Array(right.utf8))
    }
}
