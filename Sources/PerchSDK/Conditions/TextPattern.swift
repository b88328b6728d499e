// SPDX-License-Identifier: Apache-2.0

/// A regular expression whose cost is bounded: it is matched on the reactor, where nothing may run long.
///
/// The matcher follows all alternatives at once and never goes back, so the time is at most the length of the text times
/// the size of the pattern, and there are no texts on which it explodes. The price: no back-references and no
/// look-around. There are literals, `.`, classes (`[a-z_]`, `[^,]`, `\d \w \s \D \W \S`), groups `( )` and `(?: )`,
/// alternatives `|`, the repeats `* + ? {2} {2,} {2,5}`, the anchors `^ $ \b \B`, the escapes `\n \r \t \x41 \u{e9}`, and
/// `(?i)` at the start for either case. A pattern matches where any part of the text does; anchor it for the whole.
public struct TextPattern: Hashable, Sendable {
    /// Of longer texts the first so many characters are looked at.
    public static let longestText = 256 * 1_024

    /// The pattern as written.
    public let text: String
    /// What is wrong with it, in a sentence; nil where nothing is. A wrong pattern matches nothing.
    public let problem: String?
    let program: [PatternInstruction]

    /// A pattern. A mistake in it is no error yet: it stands in `problem`.
    public init(_ text: String) {
        self.text = text
        do throws(PerchError) {
            var parser = PatternParser(text)
            let (node, ignoresCase) = try parser.pattern()
            var compiler = PatternCompiler(ignoresCase: ignoresCase)
            program = try compiler.program(for: node, pattern: text)
            problem = nil
        } catch {
            program = []
            problem = error.message
        }
    }

    /// Whether the pattern matches somewhere in the text.
    public func matches(_ text: String) -> Bool {
        guard problem == nil else { return false }
        var matcher = PatternMatcher(program: program)
        return matcher.finds(in: text)
    }
}

extension TextPattern: Codable {
    /// Reads the pattern's text.
    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }

    /// Writes the pattern's text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }

    /// Two patterns are equal where their texts are.
    public static func == (left: TextPattern, right: TextPattern) -> Bool { left.text == right.text }

    /// Hashes the text.
    public func hash(into hasher: inout Hasher) { hasher.combine(text) }
}
