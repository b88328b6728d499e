// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchAPIServer

@Suite("Pieces of pages")
struct HTMLTests {
    @Test(
        "What is put into a page is text, whatever it is",
        arguments: [
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"), ("a & b", "a &amp; b"),
            ("\" onload='x'", "&quot; onload=&#39;x&#39;"), ("\u{1B}[31mred", "\\u{1b}[31mred"),
            ("abc\u{202E}gpj", "abc\\u{202e}gpj"), ("\u{2066}x\u{200F}", "\\u{2066}x\\u{200f}"),
            ("\0\r", "\\u{0}\\u{d}"),
            ("lines\n\tand tabs", "lines\n\tand tabs"), ("Müller 東京 ✓", "Müller 東京 ✓"), ("", ""),
        ])
    func escaping(text: String, shown: String) {
        #expect(HTML.text(text).text == shown)
        let piece: HTML = "<td title=\"\(text)\">\(text)</td>"
        #expect(piece.text == "<td title=\"\(shown)\">\(shown)</td>")
        let nested: HTML = "<tr>\([piece, piece])</tr>"
        #expect(nested.text == "<tr>\(piece.text)\(piece.text)</tr>")
    }

    @Test("The value of a field comes back as it was, and is no markup either")
    func values() {
        let piece: HTML = "<input value=\"\(exact: "\u{202E}<\">'&\r\n\t\u{1B}")\">"
        #expect(piece.text == "<input value=\"\u{202E}&lt;&quot;&gt;&#39;&amp;&#13;\n\t\u{1B}\">")
    }

    @Test("Parts of a path are encoded each by itself, and cannot lead elsewhere")
    func paths() {
        #expect(PagePath.dag("a/b?c#d\u{E9}") == "/dags/a%2Fb%3Fc%23d%C3%A9")
        #expect(PagePath.run("..", ".") == "/dags/%2E%2E/runs/%2E")
        #expect(PagePath.query([("a", "1&2"), ("b", nil), ("c d", "")]) == "?a=1%262&c%20d=")
        #expect(PagePath.query([]) == "")
    }

    @Test("Lengths of time are told in two units at most")
    func spans() {
        for (micros, text) in [
            (0, "0ms"), (999_999, "999ms"), (1_250_000, "1.2s"), (59_000_000, "59s"), (60_000_000, "1m"),
            (192_000_000, "3m 12s"), (7_500_000_000, "2h 5m"), (86_400_000_000, "1d"), (273_600_000_000, "3d 4h"),
            (-5, "0ms"),
        ] { #expect(TimeSpan(microseconds: Int64(micros)).brief == text) }
        #expect(1_234_567.grouped == "1,234,567" && 12.grouped == "12" && (-1_000).grouped == "-1,000")
    }
}
