// SPDX-License-Identifier: Apache-2.0

/// A regular expression as a tree.
indirect enum PatternNode {
    case empty
    case scalars(PatternSet)
    case anchor(PatternAnchor)
    case sequence([PatternNode])
    case either([PatternNode])
    case times(PatternNode, Int, Int?)
}

enum PatternAnchor: Hashable, Sendable {
    case start, end, wordEdge, noWordEdge
}

/// A set of characters.
struct PatternSet: Hashable, Sendable {
    var ranges: [ClosedRange<UInt32>] = []
    var isNegated = false

    static let digit = PatternSet(ranges: [0x30...0x39])
    static let word = PatternSet(ranges: [0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
    static let space = PatternSet(ranges: [0x09...0x0D, 0x20...0x20])
    static let anything = PatternSet(ranges: [0x0A...0x0A], isNegated: true)

    static func one(_ scalar: Unicode.Scalar) -> PatternSet { PatternSet(ranges: [scalar.value...scalar.value]) }

    func contains(_ value: UInt32) -> Bool {
        for range in ranges where range.contains(value) { return !isNegated }
        return isNegated
    }

    /// The same set without negation.
    var plainRanges: [ClosedRange<UInt32>] {
        guard isNegated else { return ranges }
        var result: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if range.lowerBound > next { result.append(next...(range.lowerBound - 1)) }
            next = max(next, range.upperBound + 1)
        }
        if next <= 0x10FFFF { result.append(next...0x10FFFF) }
        return result
    }
}

struct PatternParser {
    let text: String
    let scalars: [Unicode.Scalar]
    var position = 0
    var depth = 0

    init(_ text: String) {
        self.text = text
        scalars = Array(text.unicodeScalars)
    }

    mutating func pattern() throws(PerchError) -> (PatternNode, ignoresCase: Bool) {
        guard scalars.count <= 2_000 else { throw fault("it is longer than 2000 characters") }
        let ignoresCase = take("(?i)")
        let node = try alternatives()
        guard position == scalars.count else { throw fault("this ')' closes nothing") }
        return (node, ignoresCase)
    }

    private mutating func alternatives() throws(PerchError) -> PatternNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= 100 else { throw fault("groups are nested deeper than 100") }
        var branches = [try sequence()]
        while peek() == "|" {
            position += 1
            branches.append(try sequence())
        }
        return branches.count == 1 ? branches[0] : .either(branches)
    }

    private mutating func sequence() throws(PerchError) -> PatternNode {
        var nodes: [PatternNode] = []
        while let scalar = peek(), scalar != "|", scalar != ")" {
            nodes.append(try repeated(try atom()))
        }
        return nodes.count == 1 ? nodes[0] : nodes.isEmpty ? .empty : .sequence(nodes)
    }

    private mutating func atom() throws(PerchError) -> PatternNode {
        guard let scalar = next() else { throw fault("something is missing") }
        switch scalar {
        case ".": return .scalars(.anything)
        case "^": return .anchor(.start)
        case "$": return .anchor(.end)
        case "[": return .scalars(try set())
        case "(":
            let isPlain = take("?:")
            if !isPlain, peek() == "?" {
                throw fault("look-around, names and flags inside are not supported; only (?: ) and a leading (?i)")
            }
            let node = try alternatives()
            guard next() == ")" else { throw fault("a ')' is missing") }
            return node
        case "*", "+", "?":
            position -= 1
            throw fault("'\(scalar)' has nothing before it to repeat; write \\\(scalar) for the character itself")
        case "\\":
            if peek() == "b" || peek() == "B" { return .anchor(next() == "b" ? .wordEdge : .noWordEdge) }
            return .scalars(try escape())
        default: return .scalars(.one(scalar))
        }
    }

    private mutating func repeated(_ atom: PatternNode) throws(PerchError) -> PatternNode {
        let node: PatternNode
        switch peek() {
        case "*": node = .times(atom, 0, nil)
        case "+": node = .times(atom, 1, nil)
        case "?": node = .times(atom, 0, 1)
        case "{":
            guard let (least, most, length) = bounds() else { return atom }
            guard least <= 1_000, most ?? 0 <= 1_000 else { throw fault("a repeat counts to 1000 at most") }
            if let most, most < least { throw fault("the repeat's bounds stand the wrong way round") }
            position += length - 1
            node = .times(atom, least, most)
        default: return atom
        }
        position += 1
        // Whether a repeat takes much or little changes nothing about whether there is a match.
        if peek() == "?" { position += 1 }
        if let scalar = peek(), scalar == "*" || scalar == "+" || (scalar == "{" && bounds() != nil) {
            throw fault("'\(scalar)' repeats a repeat; put the first one in ( )")
        }
        return node
    }

    /// `{2}`, `{2,}`, `{2,5}` at the position; nil where the brace is a brace.
    private func bounds() -> (least: Int, most: Int?, length: Int)? {
        guard let close = scalars[position...].firstIndex(of: "}"), close - position < 12 else { return nil }
        let inside = String(String.UnicodeScalarView(scalars[(position + 1)..<close]))
        let parts = inside.split(separator: ",", omittingEmptySubsequences: false)
        let length = close - position + 1
        guard let least = Self.count(parts[0]) else { return nil }
        if parts.count == 1 { return (least, least, length) }
        guard parts.count == 2 else { return nil }
        if parts[1].isEmpty { return (least, nil, length) }
        guard let most = Self.count(parts[1]) else { return nil }
        return (least, most, length)
    }

    /// Digits as a number; no sign.
    private static func count(_ digits: Substring) -> Int? {
        digits.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(digits) : nil
    }

    private mutating func set() throws(PerchError) -> PatternSet {
        let start = position
        var result = PatternSet()
        if peek() == "^" {
            result.isNegated = true
            position += 1
        }
        var isFirst = true
        while let scalar = next() {
            if scalar == "]", !isFirst { return result }
            isFirst = false
            var low = PatternSet.one(scalar)
            if scalar == "\\" { low = try escape() }
            guard peek() == "-", position + 1 < scalars.count, scalars[position + 1] != "]" else {
                result.ranges += low.plainRanges
                continue
            }
            position += 1
            guard let end = next() else { break }
            var high = PatternSet.one(end)
            if end == "\\" { high = try escape() }
            guard let from = low.onlyScalar, let to = high.onlyScalar else {
                throw fault("a range in [ ] goes from one character to another")
            }
            guard from <= to else { throw fault("the range in [ ] stands the wrong way round") }
            result.ranges.append(from...to)
        }
        position = start
        throw fault("the '[' is not closed")
    }

    private mutating func escape() throws(PerchError) -> PatternSet {
        guard let scalar = next() else { throw fault("a '\\' stands at the end") }
        switch scalar {
        case "d": return .digit
        case "w": return .word
        case "s": return .space
        case "D": return PatternSet(ranges: PatternSet.digit.ranges, isNegated: true)
        case "W": return PatternSet(ranges: PatternSet.word.ranges, isNegated: true)
        case "S": return PatternSet(ranges: PatternSet.space.ranges, isNegated: true)
        case "n": return .one("\n")
        case "r": return .one("\r")
        case "t": return .one("\t")
        case "x", "u": return .one(try hexadecimal(isLong: scalar == "u"))
        case "0"..."9": throw fault("references to groups are not supported")
        case "a"..."z", "A"..."Z": throw fault("there is no escape '\\\(scalar)'")
        default: return .one(scalar)
        }
    }

    private mutating func hexadecimal(isLong: Bool) throws(PerchError) -> Unicode.Scalar {
        let isBraced = isLong && take("{")
        let length = isBraced ? 6 : isLong ? 4 : 2
        var digits = ""
        while digits.utf8.count < length, let scalar = peek(), scalar.properties.isASCIIHexDigit {
            digits.unicodeScalars.append(scalar)
            position += 1
        }
        let isWhole = isBraced ? take("}") : digits.utf8.count == length
        guard isWhole, let code = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(code) else {
            throw fault("'\(digits)' is no character's number; write \\x41 or \\u{e9}")
        }
        return scalar
    }

    private func peek() -> Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func next() -> Unicode.Scalar? {
        guard position < scalars.count else { return nil }
        defer { position += 1 }
        return scalars[position]
    }

    private mutating func take(_ wanted: String) -> Bool {
        let wanted = Array(wanted.unicodeScalars)
        guard scalars[position...].starts(with: wanted) else { return false }
        position += wanted.count
        return true
    }

    private func fault(_ reason: String) -> PerchError {
        PerchError(
            .invalid, "'\(text.shown())' is no pattern: at character \(min(position, scalars.count) + 1), \(reason)")
    }
}

extension PatternSet {
    fileprivate var onlyScalar: UInt32? {
        guard !isNegated, ranges.count == 1, ranges[0].lowerBound == ranges[0].upperBound else { return nil }
        return ranges[0].lowerBound
    }
}
