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

@Suite("A live view on a terminal")
struct LiveViewTests {
    private let size = Screen.Size(columns: 60, rows: 6)

    private func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self).replacing("\u{1B}", with: "^")
    }

    @Test("A screen writes what has changed and nothing else")
    func differences() {
        var screen = Screen()
        #expect(text(screen.show(["a", "b"], size: size)) == "^[2J^[1;1Ha^[K^[2;1Hb^[K")
        #expect(screen.show(["a", "b"], size: size).isEmpty)
        #expect(text(screen.show(["a", "c"], size: size)) == "^[2;1Hc^[K")
        #expect(text(screen.show(["a"], size: size)) == "^[2;1H^[K")
        #expect(text(screen.show(["a", "", "d"], size: size)) == "^[2;1H^[K^[3;1Hd^[K")
        let smaller = Screen.Size(columns: 60, rows: 1)
        #expect(text(screen.show(["a", "b"], size: smaller)) == "^[2J^[1;1Ha^[K")
    }

    @Test("Keys are read as terminals send them, several at once, and what means nothing is passed over")
    func keys() {
        let sent = Array("jk\u{1B}[A\u{1B}[B\u{1B}OA\u{1B}[5~\u{1B}[6~\u{1B}[Hx b g\u{1B}[1;5Cq\u{3}\u{1B}".utf8)
        let read = Terminal.keys(in: sent[...])
        #expect(
            read == [
                .down, .up, .up, .down, .up, .pageUp, .pageDown, .top, .pageDown, .pageUp, .pageDown, .top, .quit,
                .quit,
                .quit,
            ])
        for count in 0..<sent.count { _ = Terminal.keys(in: sent[..<count]) }
    }

    private func row(_ target: String, next: Int64?) -> WaitScreen.Row {
        WaitScreen.Row(
            waitID: 7, task: "orders r1 landed", kind: "file", target: target, since: Timestamp(microseconds: 0),
            next: next.map { (Timestamp(microseconds: $0 * 1_000_000), "due") }, lastResult: "absent")
    }

    @Test("No line is wider than the screen or holds what a terminal obeys, whatever the waits are")
    func view() {
        let rows = [
            row("/in/\u{1B}[2Ja", next: 93_784), row(String(repeating: "長", count: 90), next: 50), row("x", next: nil),
        ]
        for columns in [1, 10, 40, 60, 200] {
            let view = WaitScreen(
                rows: rows, total: 3, owners: ["host:1"], offset: 0, now: Timestamp(microseconds: 60_000_000))
            let lines = view.lines(Screen.Size(columns: columns, rows: 6))
            #expect(lines.count == 6)
            #expect(lines.allSatisfy { Table.columns(of: $0) <= columns && !$0.contains("\u{1B}") })
            guard columns == 200 else { continue }
            #expect(lines[0].hasPrefix("3 waits, 1 to 3; watched by host:1; q quits"))
            #expect(lines[3].contains("due in 1d2h") && lines[3].contains("\\e[2Ja") && lines[3].contains("  1m  "))
            #expect(lines[4].contains("due 10s ago"))
        }
        let empty = WaitScreen(rows: [], total: 0, owners: [], offset: 0, now: Timestamp(microseconds: 0))
        #expect(empty.lines(size)[0].hasPrefix("0 waits, nothing is shown; nobody watches"))
        #expect(empty.lines(Screen.Size(columns: 20, rows: 1)).count == 3)
    }
}
