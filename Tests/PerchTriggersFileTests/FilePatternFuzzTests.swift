// SPDX-License-Identifier: Apache-2.0

import FuzzSupport
import Glibc
import PerchSDK
import Testing

@testable import PerchTriggersFile

@Suite("Fuzz: file waits") struct FilePatternFuzzTests {
    static func path(_ source: inout FuzzSource) -> String {
        "/"
            + source.several(0...4) { source in
                source.several(0...3) { source in
                    source.pick([
                        "a", "b.csv", "*", "?", "[ab]", "[", "\\*", "\\", ".", "é", "e\u{301}", "\u{301}",
                        source.text(0...3),
                    ])
                }.joined()
            }.joined(separator: "/")
    }

    @Test("a path is refused, or taken apart at its slashes, and names without patterns are matched byte for byte")
    func components() throws {
        try Fuzz.run("paths", count: 4_000) { source in
            let first = Self.path(&source)
            let text = source.one(in: 3) ? source.mutated(first, with: "/data/*/in-[0-9].csv") : first
            for problem in FileTrigger(path: text).problems { try Fuzz.checkMessage(problem) }
            guard let pattern = try Fuzz.accepted({ try FilePattern(text) }) else { return }
            let components = pattern.directory + [pattern.last]
            let parts = text.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }.filter { $0 != "." }
            try Fuzz.check(components.count == parts.count, "\(components) of \(text.debugDescription)")
            for (component, part) in zip(components, parts) {
                switch component {
                case .pattern(let pattern):
                    try Fuzz.check(Array(pattern.utf8) == Array(part.utf8), "\(pattern) of \(part)")
                case .name(let name):
                    let entry = Array(name.utf8)
                    try Fuzz.check(!entry.contains(UInt8(ascii: "/")), "a name with a slash: \(name.debugDescription)")
                    // What has no pattern in it matches the same entries as a name and as a pattern.
                    for candidate in [name, "a", "e\u{301}", "é", part] {
                        let isSame = Array(candidate.utf8) == entry
                        try Fuzz.check(
                            component.matches(candidate) == isSame,
                            "\(candidate.debugDescription) as \(part.debugDescription)")
                        if !part.hasSuffix("\\") {
                            try Fuzz.check(
                                (fnmatch(part, candidate, FNM_PERIOD) == 0) == isSame,
                                "fnmatch \(part.debugDescription)")
                        }
                    }
                }
            }
        }
    }

    @Test("a stored wait is refused, or its numbers can be reckoned with") func stored() throws {
        try Fuzz.run("file waits", count: 1_500) { source in
            let definition = JSONValue.object([
                "path": .string(Self.path(&source)),
                "stable_for": source.pick([.integer(source.integer()), source.json(depth: 0)]),
                "minimum_size": source.pick([.integer(source.integer()), .null, source.json(depth: 0)]),
                "until": source.pick([.null, "there", "removed", "changed", source.json(depth: 0)]),
                "at_least": source.pick([.integer(source.integer()), .null, source.json(depth: 0)]),
            ])
            guard let trigger = try Fuzz.accepted({ try FileTrigger(stored: definition) }) else { return }
            try Fuzz.check((trigger.atLeast ?? 1) >= 0, "\(trigger)")
            for problem in trigger.problems { try Fuzz.checkMessage(problem) }
            let century = Int64(100 * 366) * 86_400 * 1_000_000
            try Fuzz.check((trigger.stableFor?.microseconds ?? 0) < century, "\(trigger)")
        }
    }

    @Test("found by fuzzing: a mark that joins a slash or a star does not hide it") func marks() throws {
        let joined = try FilePattern("/a/\u{301}b/c")
        #expect(joined.directory.count == 2)
        guard case .pattern = try FilePattern("/a/*\u{301}").last else {
            Issue.record("no pattern")
            return
        }
        #expect(throws: PerchError.self) { try FilePattern("/a/**\u{301}/b") }
        #expect(try FilePattern("/é").last.matches("é"))
        #expect(!(try FilePattern("/é").last.matches("e\u{301}")))
    }
}
