// SPDX-License-Identifier: Apache-2.0

import FuzzSupport
import PerchMetastore
import PerchSDK
import Testing

@testable import PerchTriggerer

@Suite("Fuzz: lines of the event socket")
struct LineFuzzTests {
    @Test("however a stream is cut, it has the same lines") func cuts() throws {
        try Fuzz.run("lines", count: 2_000) { source in
            let longest = source.int(1...20)
            let bytes = source.several(0...60) { $0.pick([0x0A, 0x20, 0x0D, 0x61, 0x62, 0xFF, 0]) as UInt8 }
            var wanted: [LineBuffer.Item] = []
            for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
                if line.count > longest {
                    wanted.append(.tooLong)
                } else if line.contains(where: { ![0x20, 0x09, 0x0D].contains($0) }) {
                    wanted.append(.line(Array(line)))
                }
            }
            var buffer = LineBuffer(longest: longest)
            var items: [LineBuffer.Item] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = Array(rest.prefix(source.int(1...9)))
                rest = rest.dropFirst(piece.count)
                items += piece.withUnsafeBytes { buffer.append($0) }
            }
            items += buffer.end()
            try Fuzz.same(items, wanted, "the lines of \(bytes)")
        }
    }

    @Test("a line is the event that it says, or is refused in one line of JSON") func events() throws {
        try Fuzz.run("event lines", count: 3_000) { source in
            var members: [String: JSONValue] = ["name": .string(source.text()), "payload": source.json()]
            if source.one(in: 2) { members["key"] = .string(source.text()) }
            if source.one(in: 2) { members["id"] = .string(source.text()) }
            let text = source.written(.object(members))
            let event = try EventLine.parse(Array(text.utf8))
            func same(_ value: String?, _ name: String) throws {
                try Fuzz.same(value.map { .string($0) }, members[name], name)
            }
            try same(event.name, "name")
            try same(event.key, "key")
            try same(event.eventID, "id")
            try Fuzz.same(event.payload, members["payload"], "the payload of \(text)")
            do {
                _ = try EventLine.parse(source.mutated(Array(text.utf8), with: Array(source.json().text.utf8)))
            } catch {
                try Fuzz.checkMessage("\(error)")
                let answer = EventLine.answer(error)
                try Fuzz.check(!answer.utf8.contains(0x0A), "an answer of several lines: \(answer)")
                try Fuzz.check(try JSONValue(parsing: answer)["error"] != nil, "an answer without an error")
            }
        }
    }

    @Test("found by fuzzing: the deepest payload that is taken can be read again from the journal") func depth() throws
    {
        for depth in 490...520 {
            let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            guard
                let event = try Fuzz.accepted({ try EventLine.parse(Array(#"{"name":"a","payload":\#(text)}"#.utf8)) })
            else { continue }
            let external = JSONValue.object(["name": "a", "payload": event.payload])
            _ = try WaitOutcome(json: JSONValue(parsingEnvelope: WaitOutcome.event(external).json.text))
        }
    }

    @Test("found by fuzzing: a stray field is not repeated at length") func strayField() throws {
        let name = "\u{1B}[2J" + String(repeating: "x", count: 100_000)
        #expect(try Fuzz.accepted { try EventLine.parse(Array(JSONValue.object([name: 1]).text.utf8)) } == nil)
    }
}
