// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchCLI

@Suite("How answers are written")
struct OutputTests {
    private let record: Record = [
        "name": .text("a: b"), "count": .number(3), "nothing": .text(nil),
        "list": .list([.record(["task_id": .text("x")])]),
    ]

    @Test("JSON keeps the order of fields")
    func json() {
        #expect(Document.record(record).json == #"{"name":"a: b","count":3,"nothing":null,"list":[{"task_id":"x"}]}"#)
        #expect(Document.record(["a": .list([])]).prettyJSON() == "{\n  \"a\": []\n}")
    }

    @Test("YAML quotes what would be read as something else")
    func yaml() {
        #expect(
            YAMLText.lines(.list([.record(record)])) == [
                "- name: \"a: b\"", "  count: 3", "  nothing: null", "  list:", "    - task_id: x",
            ])
        for text in ["true", "no", "12", "", "- x", "a #b", "#x", "*x", "null", "2026-01-01", "a\nb", "ä", "x:", "{}"] {
            #expect(YAMLText.scalar(text) == JSONValue.string(text).text, "\(text)")
        }
        #expect(YAMLText.scalar("/data/in.csv") == "/data/in.csv")
        #expect(YAMLText.lines(.value(["a": [1, 2], "b": [:]])) == ["a:", "  - 1", "  - 2", "b: {}"])
    }

    @Test("a table is aligned, and cut to the width of the terminal")
    func table() {
        let rows = [["1", "short"], ["22", "a very long target that does not fit"]]
        let wide = Table(width: nil)
        #expect(wide.widths(headings: ["ID", "TARGET"], rows: rows) == [2, 36])
        #expect(wide.line(rows[0], widths: [2, 36]) == "1   short")
        let narrow = Table(width: 24)
        let widths = narrow.widths(headings: ["ID", "TARGET"], rows: rows)
        #expect(widths == [2, 20])
        #expect(narrow.line(rows[1], widths: widths) == "22  a very long target …")
        #expect(Table.columns(of: "日本") == 4)
    }

    @Test("nothing that a terminal obeys reaches it")
    func escapes() {
        #expect(SafeText.neutralised("a\u{1B}[31mb\u{202E}\tc\n") == "a\\e[31mb\\u{202e}\\tc\\n")
        #expect(SafeText.neutralised("a\tb\n\u{9B}2J", keepsLines: true) == "a\tb\n\\u{9b}2J")
        #expect(SafeText.neutralised("größe") == "größe")
    }
}
