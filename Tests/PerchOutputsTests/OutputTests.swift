// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchOutputs
import PerchSDK
import Testing

/// Outputs in memory, which can be damaged.
private final class Shelf: OutputStore, @unchecked Sendable {  // because a test has one thread
    var files: [String: [UInt8]] = [:]

    func write(_ bytes: [UInt8], as name: String) throws { files[name] = bytes }
    func read(_ name: String, from offset: Int, count: Int) throws -> [UInt8] {
        guard let bytes = files[name] else { throw PerchError(.unavailable, "\(name) is missing") }
        return Array(bytes.dropFirst(offset).prefix(count))
    }
}

@Suite("Outputs that are too long for a row") struct OutputTests {
    private static let name = "dag_id=d/run_id=r/task_id=t/attempt=1.dispatch=7.json"

    @Test("what is short stays as it is, and costs no file") func short() throws {
        let shelf = Shelf()
        let keeping = OutputKeeping(store: shelf, inlineSize: 10)
        let kept = try keeping.kept("[1,2,3]", items: ["1", "2", "3"], as: Self.name)
        #expect(kept.output == "[1,2,3]" && kept.items == ["1", "2", "3"])
        #expect(shelf.files.isEmpty)
        #expect(try shelf.value(of: kept.output) == "[1,2,3]")
    }

    @Test("what is long is a reference to a file, and read again as it was") func long() throws {
        let shelf = Shelf()
        let keeping = OutputKeeping(store: shelf, inlineSize: 10)
        let text = "{\"name\":\"über allen Gipfeln\"}"
        let kept = try keeping.kept(text, items: nil, as: Self.name)
        #expect(kept.output != text && kept.items == nil && OutputText.isMarked(kept.output))
        #expect(shelf.files[Self.name] == Array(text.utf8))
        #expect(try shelf.value(of: kept.output) == text)
        // It is JSON like any other, for those who only look at it.
        #expect(try JSONValue(parsing: kept.output)["stored_output"]?["size"] == .integer(Int64(text.utf8.count)))
    }

    @Test("long elements lie in the file of their output, short ones stay in their rows") func elements() throws {
        let shelf = Shelf()
        let keeping = OutputKeeping(store: shelf, inlineSize: 10)
        let items = ["\"a\"", "\"\(String(repeating: "ü", count: 20))\"", "[]"]
        let kept = try keeping.kept("[" + items.joined(separator: " , ") + "]", items: items, as: Self.name)
        #expect(shelf.files.count == 1)
        let elements = try #require(kept.items)
        #expect(elements[0] == items[0] && elements[2] == items[2] && OutputText.isMarked(elements[1]))
        #expect(try elements.map { try shelf.value(of: $0) } == items)
        #expect(try shelf.value(of: kept.output) == "[" + items.joined(separator: ",") + "]")
    }

    @Test("the outputs of a mapped task are one array, wherever each of them lies") func parts() throws {
        let shelf = Shelf()
        let long = try OutputKeeping(store: shelf, inlineSize: 3).kept("\"long\"", items: nil, as: Self.name).output
        #expect(OutputText.joined(["1", "2"]) == "[1,2]" && OutputText.joined([]) == "[]")
        let joined = OutputText.joined(["1", long, "null"])
        #expect(OutputText.isMarked(joined))
        #expect(try shelf.value(of: joined) == "[1,\"long\",null]")
    }

    @Test(
        "no value is taken for a reference",
        arguments: [
            " {\"stored_output\":{\"name\":\"dag_id=x/y\",\"offset\":0,\"size\":1,\"hash\":\"0\"}}",
            "  {\"output_parts\":[\"1\"]}",
            "{\"stored_output\":{\"name\":\"dag_id=x/y\",\"offset\":0,\"size\":1,\"hash\":\"0\"}}",
        ]) func forgery(_ text: String) throws
    {
        let shelf = Shelf()
        for inlineSize in [1, 1_000] {
            let kept = try OutputKeeping(store: shelf, inlineSize: inlineSize).kept(text, items: [text], as: Self.name)
            let value = try shelf.value(of: kept.output)
            #expect(try JSONValue(parsing: value) == JSONValue(parsing: inlineSize == 1 ? "[\(text)]" : text))
        }
        #expect(OutputText(" {\"a\":1}") == .value(" {\"a\":1}"))
    }

    @Test("what is longer than any output may be is refused, with both sizes") func tooLong() throws {
        let keeping = OutputKeeping(store: Shelf(), inlineSize: 3, largest: 8)
        #expect(throws: Never.self) { try keeping.kept("\"123456\"", items: nil, as: Self.name) }
        let error = try #require(throws: NonRetryable.self) {
            try keeping.kept("\"1234567\"", items: nil, as: Self.name)
        }
        let words = String(describing: error)
        #expect(words.contains("9 bytes") && words.contains("outputs.max_size allows 8"), "\(words)")
    }

    @Test("a file that is missing, cut or changed is an error that names it") func damage() throws {
        let shelf = Shelf()
        let text = "\"" + String(repeating: "x", count: 100) + "\""
        let output = try OutputKeeping(store: shelf, inlineSize: 3).kept(text, items: nil, as: Self.name).output
        let whole = try #require(shelf.files[Self.name])
        var changed = whole
        changed[50] = UInt8(ascii: "y")
        for damaged in [nil, [], Array(whole.dropLast()), changed] {
            shelf.files[Self.name] = damaged
            let error = try #require(throws: PerchError.self) { try shelf.value(of: output) }
            #expect(error.code == .unavailable && error.message.contains("attempt=1.dispatch=7.json"), "\(error)")
        }
        shelf.files[Self.name] = whole
        #expect(try shelf.value(of: output) == text)
    }

    @Test(
        "a reference leads nowhere but to outputs",
        arguments: [
            "../perch.db", "dag_id=x/../../perch.db", "/etc/passwd", "dag_id=x//y", "dag_id=x/ä", "", "dag_id=x/./y",
        ]) func elsewhere(_ name: String) throws
    {
        let shelf = Shelf()
        shelf.files[name] = [0x31]
        let reference = OutputReference(name: name, size: 1, hash: OutputReference.hash(of: [0x31]))
        #expect(throws: PerchError.self) { try shelf.value(of: OutputText.reference(reference).text) }
    }

    @Test("files appear whole, with their folders, for their user alone, and leave nothing beside them")
    func files() throws {
        let folder = NSTemporaryDirectory() + "outputs-\(ProcessInfo.processInfo.globallyUniqueString)"
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(atPath: folder) } }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        let store = FileOutputStore(directory: folder + "/outputs")
        let facts = AttemptFacts(
            dagID: "d", runID: "r/1 ü", taskID: "t", mapIndex: 3, logicalDate: Timestamp(microseconds: 0),
            dataIntervalStart: Timestamp(microseconds: 0), dataIntervalEnd: Timestamp(microseconds: 0))
        let name = OutputPath.file(of: facts, dispatchID: 9)
        #expect(name == "dag_id=d/run_id=r%2F1%20%C3%BC/task_id=t/map_index=3/attempt=1.dispatch=9.json")
        #expect(OutputPath.isRight(name))
        let bytes = Array("\"\(String(repeating: "é", count: 200_000))\"".utf8)
        try store.write(bytes, as: name)
        try store.write(bytes, as: name)
        #expect(try store.read(name, from: 0, count: bytes.count) == bytes)
        #expect(try store.read(name, from: 1, count: 2) == Array("é".utf8))
        #expect(try store.read(name, from: 0, count: bytes.count + 5) == bytes)
        let path = folder + "/outputs/" + name
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        let beside = try FileManager.default.contentsOfDirectory(atPath: (path as NSString).deletingLastPathComponent)
        #expect(beside == ["attempt=1.dispatch=9.json"])
        let error = try #require(throws: PerchError.self) { try store.read("dag_id=d/none", from: 0, count: 1) }
        #expect(error.message.contains("is missing"))
    }

    @Test("a file that is not finished leaves nothing, and one that is longer may stay") func unfinished() throws {
        let folder = NSTemporaryDirectory() + "outputs-\(ProcessInfo.processInfo.globallyUniqueString)"
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(atPath: folder) } }
        let place = folder + "/a/b/file"
        func begin(_ text: String) throws -> WholeFile {
            let file = try WholeFile(place, writtenAs: place + ".part", mode: 0o600, folderMode: 0o700)
            try file.write(Array(text.utf8)[...])
            return file
        }
        func found() throws -> [String: String] {
            let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/a/b")
            return try Dictionary(
                uniqueKeysWithValues: names.map {
                    ($0, try String(contentsOfFile: "\(folder)/a/b/\($0)", encoding: .utf8))
                })
        }
        _ = try begin("forgotten")
        #expect(try found() == [:])
        try begin("one and two").finish()
        try begin("one").finish(keepingLonger: true)
        #expect(try found() == ["file": "one and two"])
        try begin("one").finish()
        #expect(try found() == ["file": "one"])
        let attributes = try FileManager.default.attributesOfItem(atPath: folder + "/a")
        #expect(attributes[.posixPermissions] as? Int == 0o700)
    }

    @Test("where nothing can be written, the error says where, and nothing is left") func unwritable() throws {
        let file = NSTemporaryDirectory() + "outputs-\(ProcessInfo.processInfo.globallyUniqueString)"
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(atPath: file) } }
        try Data().write(to: URL(filePath: file))
        let error = try #require(throws: PerchError.self) {
            try FileOutputStore(directory: file).write([0x31], as: "dag_id=d/x.json")
        }
        #expect(error.code == .unavailable && error.message.contains(file), "\(error)")
    }
}
