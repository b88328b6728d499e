// SPDX-License-Identifier: Apache-2.0

import Glibc
import PerchReactor
import PerchSDK
import PerchTriggersFile
import PerchTriggersTestSupport
import Testing

@Suite(.timeLimit(.minutes(1)))
struct FileSourceTests {
    @Test("A file that is there already fires at once, with its path, size and time")
    func there() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try scratch.write("in.csv", "12345")
        try await bench.add([try scratch.wait(1, "in.csv")])
        try await bench.untilFired(1)
        let event = try #require(try bench.payload(of: 1)?.decode(FileEvent.self))
        #expect(event.path == "\(scratch.path)/in.csv")
        #expect(event.size == 5)
        #expect(abs(event.modifiedAt.microseconds - ThreadReactor.wallClock()) < 60_000_000)
        #expect(event.paths == [event.path])
        #expect(try await bench.gauge("file_watches") == 0)
    }

    @Test("A file fires when it is created, and when it is renamed into place")
    func createdAndRenamed() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try await bench.add([try scratch.wait(1, "a"), try scratch.wait(2, "b"), try scratch.wait(3, "c")])
        try await bench.untilLooked(1)
        try scratch.write("b")
        try await bench.untilFired(1)
        try scratch.write("b.tmp")
        try scratch.move("b.tmp", "a")
        try await bench.untilFired(2)
        #expect(bench.fired == [2, 1])
        #expect(try await bench.explanation(of: 3).contains("one watch for 1 wait."))
    }

    @Test("Of a path whose directories do not exist yet, the nearest existing one is watched")
    func directoriesToCome() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try await bench.add([try scratch.wait(1, "one/two/three/file")])
        #expect(try await bench.gauge("file_watches") == 1)
        let text = try await bench.explanation(of: 1)
        #expect(text.contains("The directory \(scratch.path)/one does not exist."))
        #expect(text.contains("The nearest one above it, \(scratch.path), is watched by inotify."))
        try scratch.make("one")
        try await bench.untilSource("walked down") { source in
            source.explain(1)?.sentences.contains { $0.contains("one/two does not exist") } == true
        }
        #expect(try await bench.gauge("file_watches") == 1)
        // Two levels at once, and the file before anybody can have looked.
        try scratch.make("one/two")
        try scratch.make("one/two/three")
        try scratch.write("one/two/three/file")
        try await bench.untilFired(1)
        #expect(try await bench.gauge("file_watches") == 0)
        #expect(try await bench.gauge("file_directories") == 0)
    }

    @Test("A tree of directories that is moved into place is found with its file")
    func treeMovedIn() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try scratch.make("other")
        try scratch.make("other/two")
        try scratch.write("other/two/file")
        try await bench.add([try scratch.wait(1, "one/two/file")])
        try scratch.move("other", "one")
        try await bench.untilFired(1)
    }

    @Test("A directory that is deleted and made again is watched again")
    func directoryDeleted() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try scratch.make("in")
        try await bench.add([try scratch.wait(1, "in/file")])
        for _ in 0..<3 {
            try scratch.remove("in")
            try await bench.untilSource("noticed") { source in
                source.explain(1)?.sentences.contains { $0.contains("in does not exist") } == true
            }
            try scratch.make("in")
            try await bench.untilSource("watched again") { source in
                source.explain(1)?.sentences.contains { $0.contains("in is watched by inotify") } == true
            }
        }
        #expect(try await bench.gauge("file_watches") == 1)
        try scratch.write("in/file")
        try await bench.untilFired(1)
    }

    @Test("A directory that is moved away is not mistaken for the one at its path")
    func directoryMovedAway() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try scratch.make("in")
        try await bench.add([try scratch.wait(1, "in/file")])
        try scratch.move("in", "old")
        try scratch.write("old/file")
        try scratch.make("in")
        try await bench.untilSource("watched again") { source in
            source.explain(1)?.sentences.contains { $0.contains("in is watched by inotify") } == true
        }
        #expect(bench.fired.isEmpty)
        try scratch.write("in/file")
        try await bench.untilFired(1)
    }

    @Test("A directory further up that is moved away is noticed by checking now and then")
    func ancestorMovedAway() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench { $0.verifyEvery = .milliseconds(20) }
        defer { bench.end() }
        try scratch.make("up")
        try scratch.make("up/in")
        try await bench.add([try scratch.wait(1, "up/in/file")])
        try scratch.move("up", "gone")
        try scratch.make("up")
        try scratch.make("up/in")
        try scratch.write("up/in/file")
        try await bench.untilFired(1)
    }

    @Test("Ten thousand waits on files of one directory are one watch, and all fire when the files come at once")
    func manyInOneDirectory() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        let waits = try (0..<10_000 as Range<Int64>).map { try scratch.wait($0, "in-\($0).csv") }
        try await bench.add(waits)
        try await bench.untilSource("looked") { $0.explain(9_999)?.probe?.lastProbeAt != nil }
        #expect(try await bench.gauge("file_watches") == 1)
        #expect(try await bench.on { source, _ in source.explain(5)?.sharing } == 10_000)
        for number in 0..<10_000 { try scratch.write("in-\(number).csv", "") }
        try await bench.untilFired(10_000)
        #expect(bench.fired.sorted() == Array(0..<10_000))
        #expect(try await bench.gauge("file_watches") == 0)
        #expect(try await bench.gauge("file_waits") == 0)
    }

    @Test("When the kernel's queue overflows, everything is looked at again")
    func overflow() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try await bench.add([try scratch.wait(1, "last"), try scratch.wait(2, "sub/file")])
        try await bench.untilLooked(1)
        // While the loop is kept busy, more happens than the queue holds.
        try await bench.on { _, _ in
            for number in 0..<12_000 { try scratch.write("f\(number % 100)-\(number)", "") }
            try scratch.write("last")
            try scratch.make("sub")
            try scratch.write("sub/file")
        }
        try await bench.untilFired(2)
        #expect(bench.fired.sorted() == [1, 2])
    }

    @Test("Where the limit of watches is reached, the directory is polled, and explain says so")
    func watchLimit() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench {
            $0.watchLimit = 1
            $0.pollEvery = .milliseconds(20)
        }
        defer { bench.end() }
        try scratch.make("a")
        try scratch.make("b")
        try await bench.add([
            try scratch.wait(1, "a/file"), try scratch.wait(2, "b/file"), try scratch.wait(3, "b/c/d"),
        ])
        #expect(try await bench.gauge("file_watches") == 1)
        #expect(try await bench.explanation(of: 2).contains("is looked at every 20ms, because the limit of watches"))
        try scratch.make("b/c")
        try scratch.write("b/c/d")
        try scratch.write("b/file")
        try await bench.untilFired(2)
        try scratch.write("a/file")
        try await bench.untilFired(3)
    }

    @Test("A removed wait does not fire, and its watch goes with the last of them")
    func removal() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try await bench.add([try scratch.wait(1, "a"), try scratch.wait(2, "b")])
        try await bench.on { source, _ in source.remove(1) }
        try scratch.write("a")
        try scratch.write("b")
        try await bench.untilFired(1)
        #expect(bench.fired == [2])
        #expect(try await bench.gauge("file_watches") == 0)
        #expect(try await bench.on { source, _ in source.explain(1) == nil })
    }

    @Test("A definition that cannot be watched breaks that wait alone, with the reason")
    func broken() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        var bad = try scratch.wait(1, "x")
        bad.definition = ["path": "relative"]
        var worse = bad
        worse.waitID = 3
        worse.definition = ["path": "/tmp/x", "stable_for": "5s"]
        var conflicting = bad
        conflicting.waitID = 4
        conflicting.definition = ["path": "/tmp/x", "until": "removed", "minimum_size": 1]
        var unknown = bad
        unknown.waitID = 5
        unknown.definition = ["path": "/tmp/x", "until": "soon"]
        try await bench.add([bad, try scratch.wait(2, "y"), worse, conflicting, unknown])
        guard case .broken(1, let message) = bench.reports.first else {
            Issue.record("not broken")
            return
        }
        #expect(message.contains("not absolute"))
        #expect(
            bench.reports.contains { if case .broken(3, let text) = $0 { text.contains("stable_for") } else { false } })
        for (waitID, words) in [(4, "has no minimumSize"), (5, "'until' is")] as [(Int64, String)] {
            #expect(
                bench.reports.contains {
                    if case .broken(waitID, let text) = $0 { text.contains(words) } else { false }
                })
        }
        try scratch.write("y")
        try await bench.untilFired(1)
    }
}
