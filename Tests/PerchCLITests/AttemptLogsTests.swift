// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchAPIServer
import PerchExecutor
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchCLI

@Suite("Logs a page at a time", .timeLimit(.minutes(1)))
struct AttemptLogsTests {
    @Test("A part of a log ends behind so many lines or so many bytes, and the next one begins there")
    func parts() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let path = folder.path + "/a.log"
        let lines = ["one", "", "three", String(repeating: "4", count: 30), "five", "six"]
        for end in ["", "\n"] {
            try Data((lines.joined(separator: "\n") + end).utf8).write(to: URL(filePath: path))
            for (most, bytes) in [(1, 100), (2, 100), (100, 8), (100, 1), (100, 100), (6, 1_000)] {
                var (found, pages): ([String], Int) = ([], 0)
                while pages <= lines.count {
                    let part = try await reader(path).part(after: found.count, most: most, bytes: bytes)
                    found += part.lines
                    pages += 1
                    #expect(part.passed == found.count && part.lines.count <= most)
                    if !part.hasMore { break }
                    #expect(!part.lines.isEmpty)
                }
                #expect(found.count == lines.count, "\(most) \(bytes)")
                for (line, whole) in zip(found, lines) {
                    #expect(line == whole || line.hasPrefix(whole.prefix(bytes) + " … ("), "\(line)")
                }
            }
        }
        let cut = try await reader(path).part(after: 3, most: 1, bytes: 10)
        #expect(cut.lines == ["4444444444 … (20 bytes more)"] && cut.hasMore)
        let behind = try await reader(path).part(after: 9, most: 1, bytes: 10)
        #expect(behind.lines.isEmpty && !behind.hasMore)
    }

    @Test(
        "A part of a log is found by the byte at which it begins, and the last lines by the end, whatever comes before")
    func places() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let path = folder.path + "/a.log"
        for end in ["", "\n"] {
            try Data(("one\ntwo\n\nfour\nfive" + end).utf8).write(to: URL(filePath: path))
            let first = try await reader(path).part(after: 1, most: 2, bytes: 100)
            #expect(first.lines == ["two", ""] && first.bytes == 9 && first.hasMore)
            let next = try reader(path)
            #expect(try await next.seek(to: 9))
            let rest = try await next.part(after: 0, most: 9, bytes: 100)
            #expect(rest.lines == ["four", "five"] && rest.bytes == (end.isEmpty ? nil : 10))
            for wrong in [1, 10, 5_000] as [Int64] {
                let other = try reader(path)
                #expect(try await !other.seek(to: wrong), "\(wrong)")
                #expect(try await other.part(after: 0, most: 1, bytes: 100).lines == ["one"])
            }
            for (most, bytes, lines, passed) in [
                (9, 100, ["one", "two", "", "four", "five"], 0), (2, 100, ["four", "five"], 3),
                (9, 12 + end.utf8.count, ["", "four", "five"], nil), (1, 12, ["five"], nil),
            ] as [(Int, Int, [String], Int?)] {
                let tail = try await reader(path).tail(most: most, bytes: bytes)
                #expect(tail.lines == lines && tail.passed == passed, "\(most) \(bytes): \(tail)")
            }
            // A line that is longer than what is looked at is shown by its end.
            #expect(try await reader(path).tail(most: 9, bytes: 3 + end.utf8.count).lines == ["… ive"])
        }
        try Data().write(to: URL(filePath: path))
        let none = try await reader(path).tail(most: 9, bytes: 9)
        #expect(none.lines.isEmpty && none.passed == 0)
    }

    private func reader(_ path: String) throws -> LogReader { LogReader(try #require(try LogFile(path: path))) }

    @Test("A page of a long log has no more bytes than a page may have, and no line is left out")
    func pages() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let metastore = try Metastore.open(home: folder.path, access: .engine, clock: SystemClock())
        let key = TaskInstanceKey(dagID: "orders", runID: "r", taskID: "t")
        try await metastore.write { transaction in
            let task = TaskDefinition(taskID: "t", kind: .code(operatorName: "closure"))
            try transaction.storeDAGs(
                [DAGDefinition(dagID: "orders", tasks: [task])], bundle: "default", bundleVersion: "1")
            _ = try transaction.createRun(RunRequest(dagID: "orders", runID: "r"))
            _ = try transaction.advanceRuns(budget: 1_000)
            let worker = try transaction.registerProcess(
                role: "worker", pid: 1, startTime: 1, bootID: "b", host: "h", lease: .seconds(60))
            #expect(try transaction.claim(limit: 1, worker: worker).count == 1)
        }
        let home = try Home(option: folder.path, environment: [:])
        let logs = AttemptLogs(home: home, metastore: metastore)
        #expect(try await logs.page(key, 1, from: .newest, limit: 10) == nil)
        let path = home.paths.logs + "/" + AttemptLogPath.file(of: key, tryNumber: 1)
        let directory = URL(filePath: path).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let text = (0..<7).map { "\($0)" + String(repeating: "x", count: 1_500_000) + "\n" }.joined()
        try Data(text.utf8).write(to: URL(filePath: path))
        var found: [String] = []
        var place = APISurroundings.LogPlace(line: 0)
        for _ in 0..<7 {
            let page = try #require(try await logs.page(key, 1, from: .behind(place), limit: 1_000))
            #expect(page.first == found.count + 1)
            let counted = try await logs.page(key, 1, from: .behind(.init(line: found.count)), limit: 1_000)
            #expect(counted?.lines == page.lines && counted?.next == page.next)
            place = try #require(page.next)
            #expect(place.byte == (page.hasMore ? Int64(place.line) * 1_500_002 : nil))
            #expect(page.lines.reduce(0) { $0 + $1.utf8.count } <= APISurroundings.LogPage.mostBytes)
            found += page.lines
            if !page.hasMore { break }
        }
        let newest = try #require(try await logs.page(key, 1, from: .newest, limit: 10))
        #expect(newest.lines.count == 1 && newest.first == nil && !newest.hasMore)
        #expect(found.map { $0.prefix(1) } == ["0", "1", "2", "3", "4", "5", "6"])
        try metastore.close()
    }
}
