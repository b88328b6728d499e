// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import PerchReactor
import PerchSDK
import PerchTriggersFile
import PerchTriggersTestSupport
import Testing

/// Waits for a file to go or to change, and for many, on the machine's files.
@Suite(.timeLimit(.minutes(1)))
struct FileAimTests {
    @Test("What is not there is removed at once, in a directory that does not exist too")
    func removedAlready() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        #expect(symlink("circle", "\(scratch.path)/circle") == 0)
        try await bench.add([
            try scratch.wait(1, "lock", until: .removed), try scratch.wait(2, "none/at/all/lock", until: .removed),
            try scratch.wait(3, "*.lock", until: .removed), try scratch.wait(4, "none/*.lock", until: .removed),
            try scratch.wait(5, "*/lock", until: .removed), try scratch.wait(6, "circle/lock", until: .removed),
        ])
        try await bench.untilFired(6)
        let event = try #require(try bench.payload(of: 1)?.decode(FileEvent.self))
        #expect(event.path == "\(scratch.path)/lock")
        #expect(event.size == 0)
        #expect(event.paths.isEmpty)
        #expect(try await bench.gauge("file_watches") == 0)
        #expect(try await bench.gauge("file_directories") == 0)
    }

    @Test("A file is removed when it is deleted, renamed away, or goes with its directory")
    func removed() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try scratch.make("sub")
        for name in ["a", "b", "c", "sub/d"] { try scratch.write(name) }
        #expect(symlink("/nowhere", "\(scratch.path)/link") == 0)
        try await bench.add([
            try scratch.wait(1, "a", until: .removed), try scratch.wait(2, "b", until: .removed),
            try scratch.wait(3, "c", until: .removed), try scratch.wait(4, "sub/d", until: .removed),
            try scratch.wait(5, "link", until: .removed),
        ])
        try await bench.untilLooked(4)
        #expect(bench.fired.isEmpty)
        #expect(try await bench.explanation(of: 1).contains("Waits until nothing is at \(scratch.path)/a."))
        #expect(try await bench.explanation(of: 1).contains(": still there, with 1 bytes."))
        try scratch.remove("a")
        try await bench.untilFired(1)
        try scratch.move("b", "b2")
        try await bench.untilFired(2)
        // Written anew in place, it has not gone.
        try scratch.write("c", "anew")
        try scratch.move("sub", "gone")
        try await bench.untilFired(3)
        try scratch.remove("link")
        try await bench.untilFired(4)
        #expect(bench.fired == [1, 2, 4, 5])
        try scratch.remove("c")
        try await bench.untilFired(5)
    }

    @Test("With a pattern, removed is when nothing matches any more")
    func removedPattern() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try scratch.make("day-1")
        for name in ["a.lock", "b.lock", "x", "day-1/run"] { try scratch.write(name) }
        try await bench.add([
            try scratch.wait(1, "*.lock", until: .removed), try scratch.wait(2, "day-*/run", until: .removed),
        ])
        try await bench.untilSource("counted") { $0.explain(1)?.probe?.lastResult == "2 still match" }
        try scratch.remove("a.lock")
        try await bench.untilSource("counted") { $0.explain(1)?.probe?.lastResult == "1 still match" }
        try scratch.write("c.lock")
        try scratch.remove("b.lock")
        try await bench.untilSource("counted") { $0.explain(1)?.probe?.lastResult == "1 still match" }
        try scratch.make("day-2")
        try scratch.write("day-2/run")
        try await bench.untilSource("counted") { $0.explain(2)?.probe?.lastResult == "2 still match" }
        try scratch.remove("day-1/run")
        try scratch.remove("day-1")
        try await bench.untilSource("counted") { $0.explain(2)?.probe?.lastResult == "1 still match" }
        #expect(bench.fired.isEmpty)
        try scratch.remove("c.lock")
        try await bench.untilFired(1)
        try scratch.move("day-2", "old")
        try await bench.untilFired(2)
        #expect(bench.fired == [1, 2])
    }

    @Test("What may not be read is not removed: it is explained and looked at again")
    func removedDenied() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench { $0.pollEvery = .milliseconds(20) }
        defer { bench.end() }
        try scratch.make("closed")
        #expect(chmod("\(scratch.path)", 0o755) == 0)
        #expect(chmod("\(scratch.path)/closed", 0) == 0)
        // Root may read everything; the source's thread gives that up.
        try await bench.on { _, _ in _ = clinux_set_thread_file_user(65_534) }
        try await bench.add([
            try scratch.wait(1, "closed/lock", until: .removed), try scratch.wait(2, "closed/*.lock", until: .removed),
            try scratch.wait(3, "closed/*.csv", atLeast: 1), try scratch.wait(4, "closed/config", until: .changed),
        ])
        try await bench.pass(.milliseconds(60))
        #expect(bench.fired.isEmpty)
        #expect(try await bench.explanation(of: 1).contains("not known what is there: permission denied"))
        #expect(try await bench.explanation(of: 2).contains("not known what is there: permission denied"))
        #expect(try await bench.explanation(of: 4).contains("not known what is there: permission denied"))
        #expect(chmod("\(scratch.path)/closed", 0o755) == 0)
        try await bench.untilFired(2)
        #expect(bench.fired.sorted() == [1, 2])
        try scratch.write("closed/config")
        try scratch.write("closed/a.csv")
        try await bench.untilFired(4)
    }

    @Test("A file has changed when it was written, replaced, touched, deleted, or has appeared")
    func changed() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        for name in ["written", "replaced", "touched", "deleted", "same"] { try scratch.write(name, "old") }
        let names = ["written", "replaced", "touched", "deleted", "same", "new", "sub/new"]
        for (index, name) in names.enumerated() {
            try await bench.add([try scratch.wait(Int64(index + 1), name, until: .changed)])
        }
        try await bench.untilLooked(7)
        #expect(bench.fired.isEmpty)
        #expect(try await bench.explanation(of: 1).contains("Then: 3 bytes, changed "))
        #expect(try await bench.explanation(of: 6).contains("Then: nothing was there"))
        try scratch.write("written", "more", appending: true)
        try await bench.untilFired(1)
        try scratch.write("other", "abc")
        try scratch.move("other", "replaced")
        try await bench.untilFired(2)
        var times = [timeval(tv_sec: 1_000_000_000, tv_usec: 0), timeval(tv_sec: 1_000_000_000, tv_usec: 0)]
        #expect(utimes("\(scratch.path)/touched", &times) == 0)
        try await bench.untilFired(3)
        try scratch.remove("deleted")
        try await bench.untilFired(4)
        try scratch.write("new")
        try await bench.untilFired(5)
        try scratch.make("sub")
        try scratch.write("sub/new")
        try await bench.untilFired(6)
        #expect(bench.fired == [1, 2, 3, 4, 6, 7])
        #expect(try bench.payload(of: 1)?.decode(FileEvent.self).size == 7)
        #expect(try bench.payload(of: 4)?.decode(FileEvent.self).paths == [])
    }

    @Test("What a link leads to is looked at for changes too")
    func changedLink() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench { $0.pollEvery = .milliseconds(20) }
        defer { bench.end() }
        try scratch.make("elsewhere")
        try scratch.write("elsewhere/file")
        #expect(symlink("\(scratch.path)/elsewhere/file", "\(scratch.path)/link") == 0)
        #expect(symlink("\(scratch.path)/elsewhere/none", "\(scratch.path)/dead") == 0)
        try await bench.add([
            try scratch.wait(1, "link", until: .changed), try scratch.wait(2, "dead", until: .changed),
        ])
        try await bench.untilLooked(2)
        #expect(try await bench.explanation(of: 1).contains("also looked at every 20ms"))
        try scratch.write("elsewhere/file", "more", appending: true)
        try await bench.untilFired(1)
        try scratch.write("elsewhere/none")
        try await bench.untilFired(2)
    }

    @Test("What changed while nobody watched is noticed by what was stored before")
    func restart() async throws {
        let scratch = try Scratch()
        for name in ["a", "b", "c", "same"] { try scratch.write(name, "old") }
        let names = ["a", "b", "new", "same", "c"]
        let first = try await fileBench()
        try await first.add(
            try names.enumerated().map { try scratch.wait(Int64($0.offset + 1), $0.element, until: .changed) })
        try await first.untilLooked(5)
        var stored: [Int64: JSONValue] = [:]
        for case .progressed(let waitID, let progress) in first.reports { stored[waitID] = progress }
        first.end()
        #expect(stored.count == 5)
        #expect(stored[3] == ["absent": true])
        try scratch.write("a", "other text")
        try scratch.remove("b")
        try scratch.write("new")
        let second = try await fileBench()
        defer { second.end() }
        let progress = stored
        var waits = try names.enumerated().map {
            try scratch.wait(
                Int64($0.offset + 1), $0.element, until: .changed, progress: progress[Int64($0.offset + 1)])
        }
        waits[4].progress = ["size": "three"]
        try await second.add(waits)
        try await second.untilFired(3)
        #expect(second.fired.sorted() == [1, 2, 3])
        #expect(
            second.reports.contains {
                if case .broken(5, let text) = $0 { text.contains("cannot be read") } else { false }
            })
        // What is known is not stored once more.
        #expect(!second.reports.contains { if case .progressed = $0 { true } else { false } })
        try scratch.write("same", "another")
        try await second.untilFired(4)
    }

    @Test("What was written after the wait was registered and before anybody could look has changed")
    func changedBeforeArming() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try scratch.write("early")
        try scratch.write("late")
        var times = [timeval(tv_sec: 1_000_000_000, tv_usec: 0), timeval(tv_sec: 1_000_000_000, tv_usec: 0)]
        #expect(utimes("\(scratch.path)/early", &times) == 0)
        try await bench.add([
            try scratch.wait(1, "early", until: .changed, since: 1_000_000_001_000_000),
            try scratch.wait(2, "late", until: .changed, since: 1_000_000_001_000_000),
        ])
        try await bench.untilFired(1)
        #expect(bench.fired == [2])
    }

    @Test("So many files fire together, each as wanted, and are all in the event")
    func many() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try scratch.make("sub")
        for number in 1...3 { try scratch.write("in-\(number).csv", "0123456789") }
        try await bench.add([
            try scratch.wait(1, "in-*.csv", minimumSize: 5, atLeast: 5), try scratch.wait(2, "*/x", atLeast: 2),
            try scratch.wait(3, "in-*.csv", atLeast: 1),
        ])
        try await bench.untilFired(1)
        try await bench.untilSource("counted") { $0.explain(1)?.probe?.lastResult == "3 of at least 5 are there" }
        #expect(
            try await bench.explanation(of: 1).contains(
                "Waits for at least 5 files that match \(scratch.path)/in-*.csv, each, of at least 5 bytes."))
        try scratch.remove("in-1.csv")
        try scratch.write("in-4.csv", "small")
        try scratch.write("in-5.csv", "no")
        try await bench.untilSource("counted") { $0.explain(1)?.probe?.lastResult == "3 of at least 5 are there" }
        try scratch.write("in-5.csv", "is large now")
        try await bench.untilSource("counted") { $0.explain(1)?.probe?.lastResult == "4 of at least 5 are there" }
        try scratch.write("in-0.csv", "the last")
        try await bench.untilFired(2)
        let event = try #require(try bench.payload(of: 1)?.decode(FileEvent.self))
        #expect(event.paths == [0, 2, 3, 4, 5].map { "\(scratch.path)/in-\($0).csv" })
        #expect(event.path == event.paths.first)
        try scratch.write("sub/x")
        try scratch.make("more")
        try scratch.write("more/x")
        try await bench.untilFired(3)
        #expect(
            try bench.payload(of: 2)?.decode(FileEvent.self).paths
                == ["more/x", "sub/x"].map { "\(scratch.path)/\($0)" })
        #expect(try await bench.gauge("file_watches") == 0)
    }

    @Test("When the kernel's queue overflows, what has gone, changed and come is found")
    func overflow() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        for name in ["gone", "changed", "1.csv", "a.lock"] { try scratch.write(name) }
        try await bench.add([
            try scratch.wait(1, "gone", until: .removed), try scratch.wait(2, "changed", until: .changed),
            try scratch.wait(3, "*.csv", atLeast: 3), try scratch.wait(4, "*.lock", until: .removed),
        ])
        try await bench.untilLooked(2)
        try await bench.on { _, _ in
            for number in 0..<20_000 { try scratch.write("f\(number % 100)-\(number)", "") }
            try scratch.remove("gone")
            try scratch.remove("a.lock")
            try scratch.write("changed", "more", appending: true)
            try scratch.remove("1.csv")
            for number in 2...4 { try scratch.write("\(number).csv") }
        }
        try await bench.untilFired(4)
        #expect(
            try bench.payload(of: 3)?.decode(FileEvent.self).paths == (2...4).map { "\(scratch.path)/\($0).csv" })
    }

    @Test("Where directories can only be polled, files that go, change and gather are found")
    func polling() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench {
            $0.watchLimit = 0
            $0.pollEvery = .milliseconds(20)
        }
        defer { bench.end() }
        for name in ["gone", "changed", "a.lock"] { try scratch.write(name) }
        try await bench.add([
            try scratch.wait(1, "gone", until: .removed), try scratch.wait(2, "changed", until: .changed),
            try scratch.wait(3, "*.csv", atLeast: 2), try scratch.wait(4, "*.lock", until: .removed),
        ])
        try await bench.untilLooked(2)
        try await bench.pass(.milliseconds(50))
        #expect(bench.fired.isEmpty)
        try scratch.remove("gone")
        try await bench.untilFired(1)
        try scratch.write("changed", "more", appending: true)
        try await bench.untilFired(2)
        try scratch.write("1.csv")
        try scratch.write("2.csv")
        try await bench.untilFired(3)
        try scratch.remove("a.lock")
        try await bench.untilFired(4)
        #expect(bench.fired == [1, 2, 3, 4])
    }
}
