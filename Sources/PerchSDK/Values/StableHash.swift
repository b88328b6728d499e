// SPDX-License-Identifier: Apache-2.0

/// FNV-1a with 64 bits: the same in every process, on every machine and in every version. Not for secrets.
public struct StableHash: Sendable {
    /// The hash of everything combined so far.
    public private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    /// The hash of nothing.
    public init() {}

    /// Adds a string. Its end counts, so that "ab", "c" and "a", "bc" differ.
    public mutating func combine(_ string: String) {
        for byte in string.utf8 { add(byte) }
        add(0xFF)  // no byte of UTF-8
    }

    /// Adds a number.
    public mutating func combine(number: Int64) {
        for shift in stride(from: 0, to: 64, by: 8) { add(UInt8(truncatingIfNeeded: number >> Int64(shift))) }
    }

    private mutating func add(_ byte: UInt8) {
        value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
    }
}

/// FNV-1a with 128 bits, for keys that must not meet by chance.
public struct StableHash128: Sendable {
    private var value: UInt128 = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D

    /// The hash of nothing.
    public init() {}

    /// Adds a string. Its end counts.
    public mutating func combine(_ string: String) {
        for byte in string.utf8 { add(byte) }
        add(0xFF)  // no byte of UTF-8
    }

    private mutating func add(_ byte: UInt8) {
        value = (value ^ UInt128(byte)) &* 0x0000_0000_0100_0000_0000_0000_0000_013B
    }

    /// 32 hexadecimal digits.
    public var text: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 32 - digits.count) + digits
    }
}
