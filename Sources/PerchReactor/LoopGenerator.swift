// SPDX-License-Identifier: Apache-2.0

/// Random numbers for jitter: the system's, or a repeatable sequence (SplitMix64) from a seed.
package struct LoopGenerator: RandomNumberGenerator {
    private var state: UInt64?
    private var system = SystemRandomNumberGenerator()

    package init(seed: UInt64?) { state = seed }

    /// One of several sequences of a seed, none of which has anything to do with the others, nor with those of the next
    /// seed. (Where seeds are a multiple of the increment apart, their sequences are one, shifted.)
    package init(seed: UInt64, stream: UInt64) {
        var generator = LoopGenerator(seed: seed)
        var of = LoopGenerator(seed: generator.next() ^ stream)
        state = of.next()
    }

    package mutating func next() -> UInt64 {
        guard let old = state else { return system.next() }
        let new = old &+ 0x9E37_79B9_7F4A_7C15
        state = new
        var mixed = new
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
