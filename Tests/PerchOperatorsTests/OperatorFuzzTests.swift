// SPDX-License-Identifier: Apache-2.0

import FuzzSupport
import PerchSDK
import Testing

@testable import PerchOperators

/// Keeps what it is given.
private final class Kept: RowTarget {
    var columns: [String] = []
    var rows: [[SQLCell]] = []

    func begin(_ columns: [String]) throws { self.columns = columns }
    func write(_ rows: [[SQLCell]], first: Int) throws { self.rows += rows }
    func finish() throws -> (rows: Int, bytes: Int) { (rows.count, 0) }
    func abandon() {}
}

@Suite("Fuzz: operators", .timeLimit(.minutes(3))) struct OperatorFuzzTests {
    private static func read(_ bytes: [UInt8], _ format: DataFormat, _ source: inout FuzzSource) throws -> Kept {
        let kept = Kept()
        let log = TaskContext(runtime: RecordingRuntime()).log
        let pipe = TransferPipe(kept, [], source.int(1...5), try StopSignal(), log)
        let reader = format.reader(into: pipe, [])
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(source.int(1...9)))
            rest = rest.dropFirst(piece.count)
            try piece.withUnsafeBytes { try reader.take($0) }
        }
        try reader.end()
        _ = try pipe.finish()
        return kept
    }

    private static func written(_ columns: [String], _ rows: [[SQLCell]], _ format: DataFormat) -> [UInt8] {
        var bytes: [UInt8] = []
        let writer = format.writer()
        writer.begin(columns, &bytes)
        for row in rows { writer.row(row, &bytes) }
        writer.end(&bytes)
        return bytes
    }

    @Test("rows are read as they were written, in whatever pieces they come, and nonsense is refused in words")
    func rows() throws {
        try Fuzz.run("rows", count: 1_000) { source in
            var seen: Set<String> = []
            let columns = source.several(1...4) { "c" + $0.text() }.filter { seen.insert($0).inserted }.sorted()
            let rows = source.several(0...4) { source in
                columns.map { _ in source.one(in: 4) ? SQLCell.null : .text(source.text()) }
            }
            let delimiter = source.pick([",", ";", "\t", "|"])
            let formats: [DataFormat] = [
                .csv(CSVFormat(delimiter: delimiter, null: source.pick(["", "NULL", "-"]))), .jsonLines, .json,
            ]
            for format in formats {
                let bytes = Self.written(columns, rows, format)
                let kept = try Self.read(bytes, format, &source)
                try Fuzz.same(kept.rows, rows, "\(format)")
                if case .csv = format { try Fuzz.same(kept.columns, columns, "columns") }
                let other = Self.written(columns, rows, formats[source.int(0...2)])
                let mutated = source.mutated(
                    String(decoding: bytes, as: UTF8.self), with: String(decoding: other, as: UTF8.self))
                var copy = source
                _ = try Fuzz.accepted { try Self.read(Array(mutated.utf8), format, &copy) }
            }
        }
    }

    @Test("a text of SQL is statements or a fault in words, and its parameters are counted from 1 without gaps")
    func scripts() throws {
        try Fuzz.run("SQL", count: 2_000) { source in
            let pieces = [
                "select ", "$1", "$2", "$10", "'a;b'", "'", "\"", ";", "--x\n", "/*", "*/", "$$", "$t$", "E'\\''",
                "create ",
                "function ", "begin atomic ", "case ", "end ", "\n", source.text(),
            ]
            let text = source.several(0...12) { $0.pick(pieces) }.joined()
            _ = SQLScript.words(of: text)
            guard let statements = try Fuzz.accepted({ try SQLScript.statements(of: text) }) else { return }
            for statement in statements {
                try Fuzz.check(!statement.text.isEmpty && statement.line > 0, "an empty statement")
                try Fuzz.same(Set(statement.parameters).count, statement.parameters.count, "parameters twice")
                let again = try SQLScript.statements(of: statement.text)
                try Fuzz.same(again.count, 1, statement.text)
                try Fuzz.same(
                    again.first?.parameters ?? [], Array(1...statement.parameters.count + 1).dropLast(), "numbers")
            }
        }
    }

    @Test("no text of a mail makes a line of its own in the head, or a long one in the body")
    func mails() throws {
        try Fuzz.run("mails", count: 1_000) { source in
            let text = source.text() + source.text()
            let body = MailEncoding.quotedPrintable(text)
            for line in body.split(separator: 0x0A, omittingEmptySubsequences: false) {
                try Fuzz.check(line.count <= 77 && line.allSatisfy { $0 < 0x80 && $0 != 0 }, "a line of the body")
            }
            guard EmailOperator.isOneLine(text) else { return }
            let header = MailEncoding.header("Subject", text: text)
            let lines = header.utf8.split(separator: 0x0A)
            try Fuzz.check(lines.dropFirst().allSatisfy { $0.first == 0x20 }, "a header: \(header.debugDescription)")
            try Fuzz.check(header.utf8.allSatisfy { $0 < 0x80 }, "a header that is not ASCII")
            let addresses = try Fuzz.accepted {
                try MailAddress.list(
                    parsing: source.pick([text, "\(text) <a@b.org>", "\"\(text)\" <a@b.org>, c@d.org"]), "to")
            }
            for address in addresses ?? [] {
                try Fuzz.check(!address.address.contains { $0.isWhitespace || $0 == ">" }, address.address)
                let named = MailEncoding.header("To", address.words)
                try Fuzz.check(
                    named.utf8.split(separator: 0x0A).dropFirst().allSatisfy { $0.first == 0x20 },
                    named.debugDescription)
            }
        }
    }
}
