// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import Testing

@testable import PerchYAML

@Suite("A folder of YAML DAGs")
final class FolderTests {
    let root: String

    init() throws {
        root = NSTemporaryDirectory() + "perch-yaml-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: root + "/dags", withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }  // because what is left in /tmp fails no test

    var folder: DAGFolder { DAGFolder(root + "/dags", keeping: root + "/kept") }

    func write(_ name: String, _ text: String) throws {
        let path = root + "/dags/" + name
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(filePath: path))
    }

    static func dag(_ id: String, _ command: String = "echo") -> String {
        "id: \(id)\ntasks:\n- {id: a, bash: \(command)}\n"
    }

    func ids(_ contents: DAGFolder.Contents) -> [String] { contents.dags.map(\.definition.dagID) }

    @Test("files that end in .yaml or .yml are read, in folders too, and nothing else") func listing() throws {
        try write("b.yaml", Self.dag("b"))
        try write("a.yml", Self.dag("a"))
        try write("inner/deep/c.yaml", Self.dag("c"))
        try write("notes.txt", "no")
        try write(".hidden.yaml", "no")
        try write(".git/d.yaml", "no")
        try write("e.yaml~", "no")
        let contents = folder.read()
        #expect(contents.importErrors == [])
        #expect(ids(contents) == ["a", "b", "c"])
        #expect(contents.dags.last?.definition.tasks.first?.location == "inner/deep/c.yaml:3")
    }

    @Test("a folder that is not there, or is empty, has no DAGs and no errors") func empty() {
        #expect(ids(folder.read()) == [])
        let none = DAGFolder(root + "/none").read()
        #expect(none.dags.isEmpty && none.importErrors.isEmpty)
    }

    @Test("a broken file takes nothing from the others, and its DAGs stay as they last were") func broken() throws {
        try write("a.yaml", Self.dag("a", "echo one"))
        try write("b.yaml", Self.dag("b"))
        let first = folder.read()
        try write("a.yaml", "id: a\ntasks:\n- {id: a, bash: echo two")
        let second = folder.read()
        #expect(ids(second) == ["a", "b"])
        #expect(second.importErrors.map(\.file) == ["a.yaml"])
        #expect(second.version == first.version)
        #expect(second.dags[0].definition == first.dags[0].definition)

        // Another process, later: the state is kept in files.
        #expect(ids(folder.read()) == ["a", "b"])

        try write("a.yaml", Self.dag("a", "echo three"))
        let third = folder.read()
        #expect(third.importErrors == [])
        #expect(third.version != first.version)
    }

    @Test("a file that was never right has no DAGs; one that is removed has none any more, and is not kept")
    func removed() throws {
        try write("a.yaml", "")
        #expect(ids(folder.read()) == [])
        #expect(folder.read().importErrors.map(\.message) == ["the file holds no DAG"])
        try write("a.yaml", Self.dag("a"))
        #expect(ids(folder.read()) == ["a"])
        try FileManager.default.removeItem(atPath: root + "/dags/a.yaml")
        #expect(ids(folder.read()) == [])
        try write("a.yaml", "")
        #expect(ids(folder.read()) == [])
    }

    @Test("a DAG id that another file has, or the executable, is an error of the later one") func duplicates() throws {
        try write("a.yaml", Self.dag("same"))
        try write("b.yaml", Self.dag("same") + "---\n" + Self.dag("other"))
        try write("c.yaml", Self.dag("own"))
        let contents = folder.read(taken: ["own": "the executable"])
        #expect(ids(contents) == ["same"])
        #expect(
            contents.importErrors.map(\.description) == [
                "b.yaml:1:1: the DAG id 'same' is taken by a.yaml:1; DAG ids are unique",
                "c.yaml:1:1: the DAG id 'own' is taken by the executable; DAG ids are unique",
            ])
    }

    @Test("what cannot be read is an error: links to nothing, bytes that are no text, files that are too long")
    func unreadable() throws {
        try FileManager.default.createSymbolicLink(atPath: root + "/dags/a.yaml", withDestinationPath: "/nowhere/x")
        try Data([0x69, 0x0A, 0xFF, 0xFE]).write(to: URL(filePath: root + "/dags/b.yaml"))
        try write("c.yaml", String(repeating: "# long\n", count: 700_000))
        try write("d.yaml", Self.dag("d"))
        let contents = folder.read()
        #expect(ids(contents) == ["d"])
        #expect(
            contents.importErrors.map(\.description) == [
                "a.yaml:1:1: cannot be read: No such file or directory", "b.yaml:2:1: the file is no UTF-8 text",
                "c.yaml:1:1: the file is longer than 4 MiB",
            ])
    }

    @Test("links to files and folders are followed, but not round and round") func links() throws {
        try write("real/a.yaml", Self.dag("a"))
        try FileManager.default.moveItem(atPath: root + "/dags/real", toPath: root + "/elsewhere")
        try FileManager.default.createSymbolicLink(
            atPath: root + "/dags/inner", withDestinationPath: root + "/elsewhere")
        try FileManager.default.createSymbolicLink(
            atPath: root + "/elsewhere/back", withDestinationPath: root + "/dags")
        let contents = folder.read()
        #expect(ids(contents) == ["a"])
    }

    @Test("a listing is another one when a file comes, goes, or is written to") func changes() throws {
        var last = FolderListing(of: root + "/dags")
        func isOther() -> Bool {
            let next = FolderListing(of: root + "/dags")
            defer { last = next }
            return next != last
        }
        try write("a.yaml", Self.dag("a"))
        #expect(isOther())
        #expect(!isOther())
        try write("a.yaml", Self.dag("b"))
        #expect(isOther())
        try write("notes.txt", "no")
        #expect(!isOther())
        try FileManager.default.removeItem(atPath: root + "/dags/a.yaml")
        #expect(isOther())
    }
}
