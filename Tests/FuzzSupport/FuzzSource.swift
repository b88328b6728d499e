// SPDX-License-Identifier: Apache-2.0

/// SplitMix64: the same choices for the same seed, everywhere.
public struct FuzzSource: RandomNumberGenerator {
    private var state: UInt64

    /// The choices of a seed.
    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }

    public mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

    /// True once in so many times.
    public mutating func one(in count: Int) -> Bool { int(1...count) == 1 }

    public mutating func pick<Element>(_ elements: [Element]) -> Element { elements[int(0...elements.count - 1)] }

    /// So many results of a closure, one after another.
    public mutating func several<Element>(_ count: ClosedRange<Int>, _ make: (inout FuzzSource) -> Element) -> [Element]
    {
        (0..<int(count)).map { _ in make(&self) }
    }

    /// Whole numbers, the more often the nearer they lie to where something overflows.
    public mutating func integer() -> Int64 {
        let edges: [Int64] = [
            0, 1, -1, 9, 10, 59, 60, 255, 256, 1_000, 65_535, 86_400, 1 << 31, -1 << 31, 1 << 53, (1 << 53) + 1, .max,
            .min, .max - 1, .min + 1, .max / 1_000_000, .max / 1_000_000 + 1, 1_767_225_600_000_000,
        ]
        return switch int(0...3) {
        case 0: pick(edges)
        case 1: Int64(int(-100...100))
        case 2: pick(edges) &+ Int64(int(-3...3))
        default: Int64(truncatingIfNeeded: next()) >> Int64(int(0...63))
        }
    }

    /// Text of letters, signs that have a meaning somewhere, control characters, marks that join, and far planes.
    public mutating func text(_ length: ClosedRange<Int> = 0...12) -> String {
        let odd: [Unicode.Scalar] = [
            "\u{0}", "\u{1}", "\t", "\n", "\r", "\u{1B}", "\u{7F}", "\u{85}", "\u{9B}", "\u{300}", "\u{301}",
            "\u{200D}",
            "\u{202E}", "\u{2028}", "\u{FEFF}", "\u{FFFD}", "\u{FFFF}", "é", "ß", "İ", "你", "🙂", "\u{1F1E6}",
            "\u{10FFFF}",
        ]
        var text = String.UnicodeScalarView()
        for _ in 0..<int(length) {
            switch int(0...9) {
            case 0: text.append(pick(odd))
            case 1, 2: text.append(pick(Array("{}[]()'\"\\/.,:;|*?+-^$#%@!=<>&_ ".unicodeScalars)))
            case 3: text.append(pick(Array("0123456789".unicodeScalars)))
            default: text.append(pick(Array("abcdefghinorstuxyzABDETZ".unicodeScalars)))
            }
        }
        return String(text)
    }
}
