// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import PerchReactor
import PerchSDK
import PerchTriggersFile
import PerchTriggersTestSupport
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1)))
struct FileConditionTests {
    @Test("A file that is still written to does not fire before it has stayed the same")
    func slowWriter() async throws {
        let scratch = try Scratch()
        let passed = Mutex<Int64>(0)
        let bench = try await fileBench(now: { ThreadReactor.wallClock() + passed.withLock { $0 } })
        defer { bench.end() }
        try await bench.add([try scratch.wait(1, "in", stableFor: .hours(1))])
        for number in 1...8 {
            try scratch.write("in", "line\n", appending: true)
            try await bench.untilSource("seen") { source in
                source.explain(1)?.probe?.lastResult == "there with \(number * 5) bytes, not unchanged for 1h"
            }
            // Fifty minutes later.
            passed.withLock { $0 += 3_000_000_000 }
            try await bench.pass(.milliseconds(5))
            #expect(bench.fired.isEmpty)
        }
        passed.withLock { $0 += 600_000_000 }
        try await bench.pass(.zero)
        try await bench.untilFired(1)
        #expect(try bench.payload(of: 1)?.decode(FileEvent.self).size == 40)
        #expect(bench.reports.contains { if case .probed(let state) = $0 { state.kind == "file" } else { false } })
    }

    @Test("A file that vanishes while it settles begins anew")
    func vanishing() async throws {
        let scratch = try Scratch()
        let passed = Mutex<Int64>(0)
        let bench = try await fileBench(now: { ThreadReactor.wallClock() + passed.withLock { $0 } })
        defer { bench.end() }
        try await bench.add([try scratch.wait(1, "in", stableFor: .hours(1))])
        for _ in 0..<2 {
            try scratch.write("in")
            try await bench.untilSource("settling") { source in
                source.gauges.contains { $0.name == "files_settling" && $0.value == 1 }
            }
            passed.withLock { $0 += 3_000_000_000 }
            try scratch.remove("in")
            try await bench.untilSource("gone") { $0.explain(1)?.probe?.lastResult == "absent" }
        }
        #expect(bench.fired.isEmpty)
        try scratch.write("in")
        try await bench.untilSource("settling") { source in
            source.gauges.contains { $0.name == "files_settling" && $0.value == 1 }
        }
        passed.withLock { $0 += 3_600_000_000 }
        try await bench.pass(.zero)
        try await bench.untilFired(1)
    }

    @Test("A file fires when it is large enough, while its writer still holds it open too")
    func minimumSize() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try scratch.write("in", "12")
        try await bench.add([try scratch.wait(1, "in", minimumSize: 10)])
        try await bench.untilSource("seen") { $0.explain(1)?.probe?.lastResult == "there, 2 of at least 10 bytes" }
        let file = open("\(scratch.path)/in", O_WRONLY | O_APPEND)
        defer { close(file) }
        #expect(write(file, "34567", 5) == 5)
        try await bench.untilSource("seen") { $0.explain(1)?.probe?.lastResult == "there, 7 of at least 10 bytes" }
        #expect(write(file, "89ABC", 5) == 5)
        try await bench.untilFired(1)
        #expect(try bench.payload(of: 1)?.decode(FileEvent.self).size == 12)
    }

    @Test("A pattern fires with all that it matches, the first in the order of names in front")
    func patterns() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        for name in ["b-2.csv", "b-1.csv", "c.txt", ".b-0.csv"] { try scratch.write(name) }
        try await bench.add([
            try scratch.wait(1, "b-*.csv"), try scratch.wait(2, "*.json"), try scratch.wait(3, "d-[0-9]"),
            try scratch.wait(4, "literal\\*"),
        ])
        try await bench.untilFired(1)
        let event = try #require(try bench.payload(of: 1)?.decode(FileEvent.self))
        #expect(event.path == "\(scratch.path)/b-1.csv")
        #expect(event.paths == ["b-1.csv", "b-2.csv"].map { "\(scratch.path)/\($0)" })
        try scratch.write("d-x")
        try scratch.write("literal-x")
        try scratch.write("d-7")
        try await bench.untilFired(2)
        try scratch.write("literal*")
        try await bench.untilFired(3)
        #expect(bench.fired == [1, 3, 4])
    }

    @Test("A pattern of directories follows each that it matches, those to come and come again too")
    func directoryPatterns() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try scratch.make("day-1")
        try await bench.add([
            try scratch.wait(1, "day-*/in/done"), try scratch.wait(2, "day-*/*.csv"), try scratch.wait(3, "day-?/in/x"),
        ])
        try await bench.untilSource("watched") { $0.gauges.contains { $0.name == "file_watches" && $0.value >= 2 } }
        try scratch.make("day-2")
        try scratch.write("day-2/a.csv")
        try await bench.untilFired(1)
        #expect(bench.fired == [2])
        try scratch.make("day-2/in")
        try scratch.remove("day-2/in")
        try scratch.remove("day-2/a.csv")
        try scratch.remove("day-2")
        try scratch.make("day-2")
        try scratch.make("day-2/in")
        try scratch.write("day-2/in/done")
        try await bench.untilFired(2)
        #expect(bench.fired == [2, 1])
        try scratch.write("day-2/in/x")
        try await bench.untilFired(3)
        #expect(try await bench.gauge("file_watches") == 0)
        #expect(try await bench.gauge("file_directories") == 0)
    }

    @Test("Directories that a pattern has found and that are gone are forgotten")
    func patternDirectoriesGo() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try await bench.add([try scratch.wait(1, "spool-*/in/done")])
        try await bench.untilLooked(1)
        let before = try await bench.gauge("file_directories")
        for number in 0..<20 {
            try scratch.make("spool-\(number)")
            try scratch.make("spool-\(number)/in")
            try scratch.remove("spool-\(number)/in")
            try scratch.remove("spool-\(number)")
        }
        try scratch.make("spool-last")
        try await bench.untilSource("followed") { source in
            source.gauges.contains { $0.name == "file_directories" && $0.value == before + 2 }
        }
        #expect(try await bench.gauge("file_watches") == 2)
    }

    @Test("A link is followed, and what it leads to elsewhere is polled")
    func links() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench { $0.pollEvery = .milliseconds(20) }
        defer { bench.end() }
        try scratch.make("elsewhere")
        #expect(symlink("\(scratch.path)/elsewhere/file", "\(scratch.path)/link") == 0)
        try await bench.add([try scratch.wait(1, "link")])
        try await bench.untilSource("seen") { $0.explain(1)?.probe?.lastResult == "a link to what does not exist" }
        #expect(try await bench.explanation(of: 1).contains("also looked at every 20ms"))
        try scratch.write("elsewhere/file")
        try await bench.untilFired(1)
    }

    @Test("Two paths that lead to one directory share its watch, and both waits fire")
    func linkedDirectories() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try scratch.make("real")
        #expect(symlink("\(scratch.path)/real", "\(scratch.path)/linked") == 0)
        try await bench.add([
            try scratch.wait(1, "real/a"), try scratch.wait(2, "linked/a"), try scratch.wait(3, "real/b"),
        ])
        #expect(try await bench.gauge("file_watches") == 1)
        try scratch.write("real/a")
        try await bench.untilFired(2)
        #expect(try await bench.gauge("file_watches") == 1)
        try scratch.write("linked/b")
        try await bench.untilFired(3)
    }

    @Test("A file where a directory should be is said to be none, until it is one")
    func notADirectory() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try scratch.write("in")
        try await bench.add([try scratch.wait(1, "in/file")])
        #expect(try await bench.explanation(of: 1).contains("in is not a directory"))
        try scratch.remove("in")
        try scratch.make("in")
        try scratch.write("in/file")
        try await bench.untilFired(1)
    }

    @Test("A directory that may not be read is polled, and the wait goes on")
    func permissionDenied() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench { $0.pollEvery = .milliseconds(20) }
        defer { bench.end() }
        try scratch.make("closed")
        #expect(chmod("\(scratch.path)", 0o755) == 0)
        #expect(chmod("\(scratch.path)/closed", 0) == 0)
        // Root may read everything; the source's thread gives that up.
        try await bench.on { _, _ in _ = clinux_set_thread_file_user(65_534) }
        try await bench.add([try scratch.wait(1, "closed/file")])
        #expect(try await bench.explanation(of: 1).contains("it may not be read (permission denied)"))
        try scratch.write("closed/file")
        #expect(chmod("\(scratch.path)/closed", 0o755) == 0)
        try await bench.untilFired(1)
    }

    @Test("A probe out of turn answers after a report, and takes an old file for a settled one")
    func probing() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try scratch.write("old")
        var times = [timeval(tv_sec: 1_000_000_000, tv_usec: 0), timeval(tv_sec: 1_000_000_000, tv_usec: 0)]
        #expect(utimes("\(scratch.path)/old", &times) == 0)
        try await bench.add([
            try scratch.wait(1, "old", stableFor: .hours(1)), try scratch.wait(2, "new"), try scratch.wait(3, "*.x"),
        ])
        let answered: [Int] = try await bench.on { source, _ in
            var answered: [Int] = []
            for waitID in [1, 2, 3, 99] as [Int64] { source.probeNow(waitID) { answered.append(Int(waitID)) } }
            return answered
        }
        #expect(answered.count >= 3)
        #expect(bench.fired == [1])
    }

    @Test("Where the engine's clock is hours ahead of the machine's, a file is as old as the machine says")
    func skewed() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench(
            now: { ThreadReactor.wallClock() + TimeSpan.seconds(3 * 3_600).microseconds },
            machineTime: ThreadReactor.wallClock)
        defer { bench.end() }
        try scratch.write("old")
        try scratch.write("new")
        let old = Int(ThreadReactor.wallClock() / 1_000_000) - 7_200
        var times = [timeval(tv_sec: old, tv_usec: 0), timeval(tv_sec: old, tv_usec: 0)]
        #expect(utimes("\(scratch.path)/old", &times) == 0)
        try await bench.add([
            try scratch.wait(1, "new", stableFor: .hours(1)), try scratch.wait(2, "old", stableFor: .hours(1)),
        ])
        let answered: [Int] = try await bench.on { source, _ in
            var answered: [Int] = []
            for waitID in [1, 2] as [Int64] { source.probeNow(waitID) { answered.append(Int(waitID)) } }
            return answered
        }
        #expect(answered == [1, 2])
        #expect(bench.fired == [2])
    }

    @Test("A large directory is looked into in portions, and what comes meanwhile is found")
    func largeDirectory() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        for number in 0..<20_000 { try scratch.write("f\(number)", "") }
        try await bench.add([try scratch.wait(1, "*.wanted"), try scratch.wait(2, "f19999?")])
        try scratch.write("x.wanted")
        try await bench.untilFired(1)
        #expect(bench.fired == [1])
    }

    @Test("A file whose time lies beyond what nanoseconds can count, and the longest wait, harm nobody")
    func farTimes() async throws {
        let scratch = try Scratch()
        let bench = try await fileBench()
        defer { bench.end() }
        try scratch.write("far")
        try scratch.write("near")
        // The year 2446 is the last that ext4 knows.
        var times = [timeval(tv_sec: 15_000_000_000, tv_usec: 0), timeval(tv_sec: 15_000_000_000, tv_usec: 0)]
        #expect(utimes("\(scratch.path)/far", &times) == 0)
        try await bench.add([
            try scratch.wait(1, "far"), try scratch.wait(2, "far", stableFor: .seconds(1)),
            // The longest that is taken: what is beyond is refused.
            try scratch.wait(3, "near", stableFor: .seconds(366 * 86_400)),
        ])
        try await bench.untilFired(2)
        #expect(bench.fired == [1, 2])
        #expect(try bench.payload(of: 1)?.decode(FileEvent.self).modifiedAt.microseconds ?? 0 > 9_000_000_000_000_000)
        #expect(try await bench.gauge("files_settling") == 1)
    }
}
