// SPDX-License-Identifier: Apache-2.0

import FuzzSupport
import PerchSDK
import Testing

@testable import PerchTriggersHTTP

struct EventStreamParserTests {
    private func events(_ text: String, step: Int = .max, limit: Int = 1_000) throws -> [StreamEvent] {
        var parser = EventStreamParser(limit: limit)
        var (events, left): ([StreamEvent], [UInt8]) = ([], Array(text.utf8))
        while !left.isEmpty {
            events += try parser.take(Array(left.prefix(step)))
            left.removeFirst(min(step, left.count))
        }
        return events
    }

    @Test(
        "Events are read with every line end, a byte order mark and wherever they are cut",
        arguments: ["\n", "\r", "\r\n"])
    func lines(end: String) throws {
        let text = [
            "\u{FEFF}: comment", "event: done", "data: {\"a\":", "data:1}", "id: 7", "", "data", "", "id", "",
            "event: empty",
            "", "data:  two", "unknown: x", "retry: 10", "", "data: unfinished",
        ].joined(separator: end)
        let expected = [
            StreamEvent(event: "done", id: "7", data: "{\"a\":\n1}"), StreamEvent(id: "7"), StreamEvent(data: " two"),
        ]
        for step in [1, 2, 3, 5, 7, 1_000] { #expect(try events(text, step: step) == expected, "step \(step)") }
    }

    @Test("An id with a zero byte is none, and a retry that is no number neither")
    func oddities() throws {
        var parser = EventStreamParser(lastID: "1", limit: 100)
        #expect(try parser.take(Array("id: a\u{0}b\nretry: 1x\ndata: x\n\n".utf8)).first?.id == "1")
        #expect(parser.retry == nil)
        // What is not ended by an empty line has not been heard.
        _ = try parser.take(Array("id: 2\ndata: y\n".utf8))
        #expect(parser.lastID == "1")
    }

    @Test("An event beyond the limit is refused, many small ones are not")
    func limit() throws {
        #expect(throws: EventStreamParser.TooLong.self) {
            try events("data: \(String(repeating: "x", count: 100))", limit: 50)
        }
        let many = try events(String(repeating: "data: 12345\n\n", count: 100), limit: 50)
        #expect(many.count == 100)
    }

    @Test("Whatever comes, and however it is cut, the same events come of it")
    func fuzz() throws {
        try Fuzz.run("event streams", count: 500) { source in
            let pieces = source.several(0...30) {
                $0.pick(["data", ":", " ", "\n", "\r", "\r\n", "id", "event", "retry", "1", "\u{FEFF}", "x", "\n\n"])
            }
            let text = pieces.joined()
            let whole = try events(text)
            let cut = try events(text, step: source.int(1...4))
            try Fuzz.check(whole == cut, text)
        }
    }
}
