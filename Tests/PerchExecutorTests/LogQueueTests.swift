// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import Testing

@testable import PerchExecutor

@Suite("What is to be sent of logs")
struct LogQueueTests {
    private let a = LogID(taskInstanceID: 1, tryNumber: 1)
    private let b = LogID(taskInstanceID: 2, tryNumber: 1)

    private func add(_ text: String, to log: LogID, past: String? = "", _ queue: inout LogQueue) {
        queue.add(Array(text.utf8), past: past.map { Array($0.utf8) }, lines: 1, to: log, writer: 5)
    }

    private func take(_ queue: inout LogQueue) -> [LogPiece] {
        let pieces = queue.pieces
        queue.remove(pieces.count)
        return pieces
    }

    @Test("a try is sent once within a second, the last of it at once") func pace() {
        var queue = LogQueue()
        #expect(queue.nextDue(after: 10) == nil)
        add("one\n", to: a, &queue)
        queue.freeze(at: 10)
        #expect(take(&queue).map(\.text) == ["one\n"])
        add("two\n", to: a, &queue)
        add("other\n", to: b, &queue)
        queue.freeze(at: 500_000)
        #expect(take(&queue).map(\.text) == ["other\n"])
        #expect(queue.nextDue(after: 500_000) == 1_000_010)
        add("three\n", to: a, &queue)
        queue.freeze(at: 1_000_010)
        #expect(take(&queue).map(\.text) == ["two\nthree\n"])
        add("last\n", to: a, &queue)
        #expect(queue.end(a) == 3)
        #expect(take(&queue).map(\.position) == [4])
        #expect(queue.end(a) == 0 && queue.isEmpty && queue.bytes == 0)
    }

    @Test("the past begins a log, and what is worth none follows only where there is one") func worth() {
        var queue = LogQueue()
        add("quiet\n", to: a, past: nil, &queue)
        add("now\n", to: a, past: "past\n", &queue)
        add("again\n", to: a, past: nil, &queue)
        queue.freeze(at: 1)
        let pieces = take(&queue)
        // Of a log that is not there yet, the past tells what is quiet.
        #expect(pieces.map(\.text) == ["quiet\n", "past\n", "now\nagain\n"])
        #expect(pieces.map(\.place) == [.later, .first, .always])
        #expect(queue.bytes == 0)
    }

    @Test("pieces are of whole lines and characters, and no longer than a row may be") func pieces() {
        var queue = LogQueue()
        let line = String(repeating: "x", count: 60_000) + "\n"
        let long = String(repeating: "ü€😀", count: 20_000) + "\n"
        add(line + line + long, to: a, past: long, &queue)
        queue.freeze(at: 1)
        var texts: [LogPiece.Place: String] = [:]
        for piece in queue.pieces {
            #expect(piece.text.utf8.count <= 64 << 10 && !piece.text.contains("\u{FFFD}"))
            let place = piece.place == .afterLast ? LogPiece.Place.first : piece.place
            texts[place, default: ""] += piece.text
        }
        #expect(texts == [.first: long, .always: line + line + long])
        #expect(queue.pieces.filter { $0.place == .first }.count == 1)
        var sizes: [Int] = []
        while !queue.batch.isEmpty {
            sizes.append(queue.batch.reduce(0) { $0 + $1.text.utf8.count })
            queue.remove(queue.batch.count)
        }
        #expect(sizes.count > 1 && sizes.allSatisfy { $0 <= 256 << 10 })
        #expect(queue.bytes == 0)
    }

    @Test("what the metastore is too slow for is dropped and counted, and the log says so") func dropped() {
        var queue = LogQueue(most: 10)
        add("12345678\n", to: a, &queue)
        for _ in 0..<3 { add("more\n", to: a, &queue) }
        add("more\n", to: b, &queue)
        queue.freeze(at: 1)
        #expect(
            queue.pieces.map(\.text) == [
                "12345678\n(3 lines were dropped: the metastore was slower than the task)\n"
            ])
        // Of the other there is nothing to say yet but that there is no room.
        queue.freeze(at: 3_000_000)
        #expect(queue.pieces.count == 1)
        _ = queue.end(b)
        #expect(queue.pieces.count == 2)
        _ = take(&queue)
        #expect(queue.bytes == 0)
        add("new\n", to: a, &queue)
        queue.freeze(at: 9_000_000)
        #expect(take(&queue).map(\.text) == ["new\n"])
    }

    @Test("what is no text is split all the same") func split() {
        #expect(TextPieces.split([], most: 8).isEmpty)
        #expect(TextPieces.split(Array("12345678".utf8), most: 8) == ["12345678"])
        #expect(TextPieces.split(Array("123456789".utf8), most: 8) == ["12345678", "9"])
        #expect(TextPieces.split(Array("ab\ncdefgh".utf8), most: 8, atLines: true) == ["ab\n", "cdefgh"])
        #expect(TextPieces.split(Array("1234567ü".utf8), most: 8) == ["1234567", "ü"])
        #expect(TextPieces.split([UInt8](repeating: 0x80, count: 20), most: 8).count >= 3)
    }
}
