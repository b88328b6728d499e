// SPDX-License-Identifier: Apache-2.0
import Foundation
import FuzzSupport
import PerchSDK
import Testing

/// A pattern as a tree, matched by trying every place where a part of it may end: slow, short and by another way than the
/// matcher's.
private indirect enum PatternReference {
    case one(String, @Sendable (Character) -> Bool)
    case edge(String, @Sendable (Character?, Character?) -> Bool)
    case sequence([PatternReference])
    case either([PatternReference])
    case group(String, PatternReference)
    case times(PatternReference, Int, Int?, String)

    var text: String {
        switch self {
        case .one(let text, _), .edge(let text, _): text
        case .sequence(let parts): parts.map(\.text).joined()
        case .either(let parts): parts.map(\.text).joined(separator: "|")
        case .group(let open, let part): open + part.text + ")"
        case .times(let part, _, _, let sign): part.text + sign
        }
    }

    /// Where the pattern may end if it begins at a place.
    func ends(_ subject: [Character], from start: Int) -> Set<Int> {
        switch self {
        case .one(_, let fits): return start < subject.count && fits(subject[start]) ? [start + 1] : []
        case .edge(_, let holds):
            let before = start > 0 ? subject[start - 1] : nil
            return holds(before, start < subject.count ? subject[start] : nil) ? [start] : []
        case .sequence(let parts):
            return parts.reduce([start]) { places, part in
                places.reduce(into: []) { $0.formUnion(part.ends(subject, from: $1)) }
            }
        case .either(let parts): return parts.reduce(into: []) { $0.formUnion($1.ends(subject, from: start)) }
        case .group(_, let part): return part.ends(subject, from: start)
        case .times(let part, let least, let most, _):
            var (places, found): (Set<Int>, Set<Int>) = ([start], least == 0 ? [start] : [])
            // After as many rounds as there are places nothing new is found.
            for round in 1...max(1, most ?? least + subject.count + 1) where most != 0 {
                places = places.reduce(into: []) { $0.formUnion(part.ends(subject, from: $1)) }
                if round >= least { found.formUnion(places) }
            }
            return found
        }
    }

    func matches(_ subject: String) -> Bool {
        let characters = Array(subject)
        return (0...characters.count).contains { !ends(characters, from: $0).isEmpty }
    }

    static func isWord(_ character: Character?) -> Bool {
        guard let character else { return false }
        return character == "_" || (character.isASCII && (character.isLetter || character.isNumber))
    }

    static func make(_ source: inout FuzzSource, depth: Int = 3) -> PatternReference {
        let branches = source.several(1...2) { source in
            PatternReference.sequence(source.several(0...3) { repeated(&$0, depth) })
        }
        return .either(branches)
    }

    private static func repeated(_ source: inout FuzzSource, _ depth: Int) -> PatternReference {
        let part = atom(&source, depth)
        let signs: [(String, Int, Int?)] = [
            ("*", 0, nil), ("+", 1, nil), ("?", 0, 1), ("{2}", 2, 2), ("{0,2}", 0, 2), ("{1,}", 1, nil), ("{0}", 0, 0),
        ]
        guard source.one(in: 3) else { return part }
        let sign = source.pick(signs)
        return .times(part, sign.1, sign.2, sign.0 + source.pick(["", "", "?"]))
    }

    private static func atom(_ source: inout FuzzSource, _ depth: Int) -> PatternReference {
        let ones: [PatternReference] = [
            .one("a") { $0 == "a" }, .one("b") { $0 == "b" }, .one("\\x41") { $0 == "A" },
            .one("\\u{62}") { $0 == "b" },
            .one("\\.") { $0 == "." }, .one(".") { $0 != "\n" }, .one("\\d") { $0.isNumber },
            .one("\\w") { isWord($0) },
            .one("\\W") { !isWord($0) }, .one("\\s") { $0 == " " }, .one("[ab]") { "ab".contains($0) },
            .one("[^ab]") { !"ab".contains($0) }, .one("[]a-c1-]") { "]abc1-".contains($0) },
            .one("[^\\w.]") { !isWord($0) && $0 != "." }, .one("[\\D]") { !$0.isNumber },
        ]
        let edges: [PatternReference] = [
            .edge("^") { before, _ in before == nil }, .edge("$") { _, at in at == nil },
            .edge("\\b") { isWord($0) != isWord($1) }, .edge("\\B") { isWord($0) == isWord($1) },
        ]
        switch source.int(0...(depth > 0 ? 9 : 6)) {
        case 0: return source.pick(edges)
        case 1...6: return source.pick(ones)
        default: return .group(source.pick(["(", "(?:"]), make(&source, depth: depth - 1))
        }
    }
}

@Suite("Fuzz: patterns") struct PatternFuzzTests {
    private static func subject(_ source: inout FuzzSource) -> String {
        source.several(0...8) { $0.pick(["a", "b", "c", "A", "1", "_", " ", "-", ".", "]"]) }.joined()
    }

    @Test("the same texts match as by trying everything") func reference() throws {
        try Fuzz.run("pattern reference", count: 3_000) { source in
            let reference = PatternReference.make(&source)
            let pattern = TextPattern(reference.text)
            try Fuzz.check(pattern.problem == nil, "refused: \(pattern.text): \(pattern.problem ?? "")")
            for _ in 0..<3 {
                let subject = Self.subject(&source)
                let wanted = reference.matches(subject)
                try Fuzz.check(
                    pattern.matches(subject) == wanted, "/\(pattern.text)/ in '\(subject)' should be \(wanted)")
            }
        }
    }

    @Test("the same texts match as with another library, in either case of letters") func library() throws {
        let atoms = ["a", "B", "1", "[a-c]", "[^B_]", "(?:ab|C)", "(a|bc)", "\\w", "\\S", "."]
        try Fuzz.run("pattern library", count: 1_500) { source in
            let parts = source.several(1...4) { $0.pick(atoms) + $0.pick(["", "", "*", "+", "?", "{1,2}"]) }
            let text = source.pick(["", "(?i)"]) + source.pick(["", "^"]) + parts.joined() + source.pick(["", "$"])
            let library = try NSRegularExpression(pattern: text)
            let (pattern, subject) = (TextPattern(text), Self.subject(&source))
            let range = NSRange(location: 0, length: subject.utf16.count)
            let wanted = library.firstMatch(in: subject, range: range) != nil
            try Fuzz.check(pattern.matches(subject) == wanted, "/\(text)/ in '\(subject)' should be \(wanted)")
        }
    }

    @Test("any text is a pattern or a problem fit to be shown, in bounded work") func anything() throws {
        try Fuzz.run("pattern mutations", count: 3_000) { source in
            let (first, second) = (PatternReference.make(&source).text, PatternReference.make(&source).text)
            let pattern = TextPattern(source.one(in: 5) ? source.text(0...40) : source.mutated(first, with: second))
            if let problem = pattern.problem { try Fuzz.checkMessage(problem) }
            _ = pattern.matches(source.text(0...20))
            try Fuzz.same(
                try JSONText.decode(TextPattern.self, from: JSONText.encode(pattern)).text, pattern.text, "coded")
        }
    }
}
