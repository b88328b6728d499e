// SPDX-License-Identifier: Apache-2.0

/// One instruction of a compiled pattern.
enum PatternInstruction: Hashable, Sendable {
    /// Consumes a character of the set.
    case scalars(PatternSet)
    case anchor(PatternAnchor)
    /// Goes on at both places.
    case split(Int, Int)
    case jump(Int)
    case match
}

struct PatternCompiler {
    static let largest = 10_000

    let ignoresCase: Bool
    private var program: [PatternInstruction] = []
    /// How often a part of the pattern was written out; parts that match nothing leave no instruction to count.
    private var steps = 0

    init(ignoresCase: Bool) {
        self.ignoresCase = ignoresCase
    }

    mutating func program(for node: PatternNode, pattern: String) throws(PerchError) -> [PatternInstruction] {
        program = []
        steps = 0
        guard emit(node) else {
            throw PerchError(
                .invalid,
                "'\(pattern.shown())' is no pattern: its repeats multiply to more than \(Self.largest) steps; use smaller ones"
            )
        }
        program.append(.match)
        return program
    }

    /// False where the program gets too large.
    private mutating func emit(_ node: PatternNode) -> Bool {
        steps += 1
        guard program.count < Self.largest, steps < 4 * Self.largest else { return false }
        switch node {
        case .empty:
            break
        case .scalars(let set):
            program.append(.scalars(ignoresCase ? Self.eitherCase(set) : set))
        case .anchor(let anchor):
            program.append(.anchor(anchor))
        case .sequence(let nodes):
            for node in nodes { guard emit(node) else { return false } }
        case .either(let branches):
            var jumps: [Int] = []
            for (index, branch) in branches.enumerated() {
                if index < branches.count - 1 {
                    let split = program.count
                    program.append(.split(split + 1, 0))
                    guard emit(branch) else { return false }
                    jumps.append(program.count)
                    program.append(.jump(0))
                    program[split] = .split(split + 1, program.count)
                } else {
                    guard emit(branch) else { return false }
                }
            }
            for jump in jumps { program[jump] = .jump(program.count) }
        case .times(let node, let least, let most):
            for _ in 0..<least { guard emit(node) else { return false } }
            if let most {
                var splits: [Int] = []
                for _ in least..<most {
                    splits.append(program.count)
                    program.append(.split(program.count + 1, 0))
                    guard emit(node) else { return false }
                }
                for split in splits { program[split] = .split(split + 1, program.count) }
            } else {
                let split = program.count
                program.append(.split(split + 1, 0))
                guard emit(node) else { return false }
                program.append(.jump(split))
                program[split] = .split(split + 1, program.count)
            }
        }
        return program.count < Self.largest
    }

    /// The set with the other case of its ASCII letters, and of single other letters.
    private static func eitherCase(_ set: PatternSet) -> PatternSet {
        var result = set
        for range in set.ranges {
            for (letters, shift) in [(UInt32(0x41)...UInt32(0x5A), Int64(32)), (UInt32(0x61)...UInt32(0x7A), -32)] {
                let low = max(range.lowerBound, letters.lowerBound)
                let high = min(range.upperBound, letters.upperBound)
                guard low <= high else { continue }
                result.ranges.append(UInt32(Int64(low) + shift)...UInt32(Int64(high) + shift))
            }
            guard range.count == 1, range.lowerBound >= 0x80, let scalar = Unicode.Scalar(range.lowerBound) else {
                continue
            }
            for mapped in [scalar.properties.lowercaseMapping, scalar.properties.uppercaseMapping] {
                if let only = mapped.unicodeScalars.first, mapped.unicodeScalars.count == 1 {
                    result.ranges.append(only.value...only.value)
                }
            }
        }
        return result
    }
}

/// Follows every way through a program at once, character by character.
struct PatternMatcher {
    let program: [PatternInstruction]
    private var current: [Int] = []
    private var following: [Int] = []
    /// At which character an instruction was last put into the list that is being filled.
    private var seenAt: [Int]

    init(program: [PatternInstruction]) {
        self.program = program
        seenAt = [Int](repeating: -1, count: program.count)
    }

    mutating func finds(in text: String) -> Bool {
        let scalars =
            text.utf8.count <= TextPattern.longestText
            ? Array(text.unicodeScalars) : Array(text.unicodeScalars.prefix(TextPattern.longestText))
        for place in 0...scalars.count {
            let before = place > 0 ? scalars[place - 1].value : nil
            let at = place < scalars.count ? scalars[place].value : nil
            // `current` holds what waits for the character at `place`; a match may also start here.
            for index in current { if follow(index, place, before, at) { return true } }
            if follow(0, place, before, at) { return true }
            current.removeAll(keepingCapacity: true)
            guard let at else { return false }
            for index in following {
                if case .scalars(let set) = program[index], set.contains(at) { current.append(index + 1) }
            }
            following.removeAll(keepingCapacity: true)
        }
        return false
    }

    /// Goes from an instruction to all that consume a character; true at a match.
    private mutating func follow(_ start: Int, _ place: Int, _ before: UInt32?, _ at: UInt32?) -> Bool {
        var open = [start]
        while let index = open.popLast() {
            guard seenAt[index] != place else { continue }
            seenAt[index] = place
            switch program[index] {
            case .match: return true
            case .scalars: following.append(index)
            case .jump(let next): open.append(next)
            case .split(let one, let other):
                open.append(other)
                open.append(one)
            case .anchor(let anchor):
                if Self.holds(anchor, before, at) { open.append(index + 1) }
            }
        }
        return false
    }

    private static func holds(_ anchor: PatternAnchor, _ before: UInt32?, _ at: UInt32?) -> Bool {
        switch anchor {
        case .start: return before == nil
        case .end: return at == nil
        case .wordEdge, .noWordEdge:
            let isWordBefore = before.map(PatternSet.word.contains) ?? false
            let isWordAt = at.map(PatternSet.word.contains) ?? false
            return (isWordBefore != isWordAt) == (anchor == .wordEdge)
        }
    }
}
