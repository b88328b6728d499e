// SPDX-License-Identifier: Apache-2.0

import Glibc
import PerchReactor
import PerchSDK
import PerchSimulation
import PerchTriggersFile
import Testing

/// Waits for a file to go or to change, and for many, over simulated files.
@Suite(.timeLimit(.minutes(1)))
struct SimulatedFileAimsTests {
    private func result(_ waitID: Int64, _ bench: FileSimulation) -> String? {
        bench.source.explain(waitID)?.probe?.lastResult
    }

    @Test("Files that go, change and gather fire, after the latency alone")
    func basics() throws {
        let bench = FileSimulation()
        bench.files.makeDirectories("/in")
        for name in ["gone", "moved", "changed", "touched", "1.csv"] { bench.files.write("/in/\(name)", size: 1) }
        bench.source.add([
            try fileWait(1, "/in/gone", until: .removed), try fileWait(2, "/in/moved", until: .removed),
            try fileWait(3, "/in/changed", until: .changed), try fileWait(4, "/in/touched", until: .changed),
            try fileWait(5, "/in/*.csv", atLeast: 3), try fileWait(6, "/in/*.csv", until: .removed),
            try fileWait(7, "/none/lock", until: .removed), try fileWait(8, "/none/*", until: .removed),
        ])
        bench.settle()
        #expect(bench.fired == [7, 8])
        bench.files.remove("/in/gone")
        bench.settle()
        bench.files.move("/in/moved", to: "/in/elsewhere")
        bench.settle()
        // The writer holds it open.
        bench.files.append("/in/changed", 1, closes: false)
        bench.settle()
        bench.files.touch("/in/touched", nanoseconds: 5)
        bench.settle()
        #expect(bench.fired == [7, 8, 1, 2, 3, 4])
        bench.files.write("/in/2.csv", size: 1)
        bench.settle()
        #expect(result(5, bench) == "2 of at least 3 are there")
        bench.files.write("/in/3.csv", size: 1)
        bench.settle()
        #expect(bench.payload(of: 5)?["paths"] == ["/in/1.csv", "/in/2.csv", "/in/3.csv"])
        for name in ["1", "2", "3"] { bench.files.remove("/in/\(name).csv") }
        bench.settle()
        #expect(bench.fired == [7, 8, 1, 2, 3, 4, 5, 6])
        bench.end()
    }

    @Test("Deleted and made anew before anybody could look, a file has changed and has not gone")
    func madeAnew() throws {
        let bench = FileSimulation()
        bench.files.write("/f", size: 1)
        bench.source.add([
            try fileWait(1, "/f", until: .removed), try fileWait(2, "/f", until: .changed),
            try fileWait(3, "/f*", until: .removed),
        ])
        bench.settle()
        bench.files.remove("/f")
        bench.files.write("/f", size: 1)
        bench.settle()
        #expect(bench.fired == [2])
        // What comes between the last one's going and the look that makes sure is met by it.
        bench.files.remove("/f")
        bench.files.write("/f2", size: 1)
        bench.settle()
        #expect(bench.fired == [2, 1])
        #expect(result(3, bench) == "1 still match")
        bench.files.remove("/f2")
        bench.settle()
        #expect(bench.fired == [2, 1, 3])
        bench.end()
    }

    @Test("A wait in a directory that was made before its event came does not take it for missing")
    func madeUnseen() throws {
        let bench = FileSimulation()
        try bench.add([(9, "/a/b/never")])
        bench.settle()
        bench.files.makeDirectories("/a/b")
        bench.files.write("/a/b/x.lock", size: 1)
        bench.source.add([
            try fileWait(1, "/a/b/*.lock", until: .removed), try fileWait(2, "/a/*/x.lock", until: .removed),
            try fileWait(3, "/a/b/x.lock", until: .removed), try fileWait(4, "/a/b/x.lock", until: .changed),
        ])
        bench.settle()
        #expect(bench.fired.isEmpty)
        bench.files.remove("/a/b/x.lock")
        bench.settle()
        #expect(bench.fired.sorted() == [1, 2, 3, 4])
        bench.source.remove(9)
        bench.end()
    }

    @Test("A large directory's absent files are looked after when it is read, and when it goes")
    func largeDirectory() throws {
        let bench = FileSimulation()
        bench.files.makeDirectories("/in")
        bench.files.write("/in/lock", size: 1)
        bench.files.write("/in/config", size: 1)
        try bench.add((100..<500).map { ($0, "/in/never-\($0)") })
        bench.source.add([
            try fileWait(1, "/in/lock", until: .removed), try fileWait(2, "/in/config", until: .changed),
        ])
        bench.settle()
        bench.files.overflowNext()
        bench.files.remove("/in/lock")
        bench.settle()
        #expect(bench.fired == [1])
        bench.files.remove("/in/config")
        bench.files.removeDirectory("/in")
        bench.settle()
        #expect(bench.fired == [1, 2])
        for waitID in 100..<500 as Range<Int64> { bench.source.remove(waitID) }
        bench.end()
    }

    @Test("What cannot be read is not taken for gone", arguments: [EACCES, EMFILE, EIO])
    func unreadable(number: Int32) throws {
        let bench = FileSimulation()
        bench.files.makeDirectories("/in/day-1")
        bench.files.write("/in/day-1/run", size: 1)
        bench.files.write("/in/lock", size: 1)
        if number == EACCES { bench.files.setOpen("/in", false) } else { bench.files.setFault("/in", number) }
        bench.source.add([
            try fileWait(1, "/in/lock", until: .removed), try fileWait(2, "/in/lo*", until: .removed),
            try fileWait(3, "/in/day-*/run", until: .removed), try fileWait(4, "/in/lock", until: .changed),
            try fileWait(5, "/in/none", until: .removed), try fileWait(6, "/in/none*", until: .removed),
        ])
        bench.loop.pass(.seconds(22))
        // Only where the directory may not be entered is it not known of a name, too.
        #expect(bench.fired == (number == EACCES ? [] : [5]))
        for waitID in number == EACCES ? [1, 2, 3, 4, 5, 6] : [2, 3, 6] as [Int64] {
            #expect(result(waitID, bench)?.contains("not known what is there") == true, "\(waitID)")
        }
        bench.files.heal()
        bench.loop.pass(.seconds(6))
        #expect(bench.fired.sorted() == [5, 6])
        bench.files.remove("/in/day-1/run")
        bench.files.remove("/in/lock")
        bench.settle()
        #expect(bench.fired.sorted() == [1, 2, 3, 4, 5, 6])
        bench.end()
    }

    @Test("On a network file system, which reports nothing, it is found by polling")
    func network() throws {
        let bench = FileSimulation()
        bench.files.makeDirectories("/net/in")
        bench.files.setFileSystem("/net", type: 0x6969)
        bench.files.write("/net/in/a", size: 1)
        bench.source.add([
            try fileWait(1, "/net/in/a", until: .removed), try fileWait(2, "/net/in/a", until: .changed),
            try fileWait(3, "/net/in/*", until: .removed), try fileWait(4, "/net/in/b*", atLeast: 2),
        ])
        bench.loop.pass(.seconds(12))
        #expect(bench.fired.isEmpty)
        bench.files.remove("/net/in/a")
        bench.loop.pass(.seconds(6))
        #expect(bench.fired.sorted() == [1, 2, 3])
        bench.files.write("/net/in/b1", size: 1)
        bench.files.write("/net/in/b2", size: 1)
        bench.loop.pass(.seconds(6))
        #expect(bench.fired.sorted() == [1, 2, 3, 4])
        bench.end()
    }

    @Test("A process that has died is followed by one that knows what there was")
    func death() throws {
        let first = FileSimulation()
        for name in ["a", "b", "same"] { first.files.write("/\(name)", size: 1) }
        let names = ["a", "b", "new", "same"]
        first.source.add(
            try names.enumerated().map { try fileWait(Int64($0.offset), "/\($0.element)", until: .changed) })
        first.settle()
        first.view.die()
        first.files.append("/a", 1)
        first.files.remove("/b")
        first.files.write("/new", size: 1)
        let next = FileSimulation(files: first.files, loop: first.loop)
        next.source.add(
            try names.enumerated().map { index, name in
                try fileWait(
                    Int64(index), "/\(name)", until: .changed, progress: first.progress(of: Int64(index)))
            })
        next.settle()
        #expect(next.fired.sorted() == [0, 1, 2])
        #expect(next.progress(of: 3) == nil)
        next.files.touch("/same", nanoseconds: 1)
        next.settle()
        #expect(next.fired.sorted() == [0, 1, 2, 3])
        next.source.shutDown()
        #expect(first.files.watchCount == 0)
    }

    @Test("Files that gather and are to stay the same are counted when they have, and cost no timer afterwards")
    func settling() throws {
        let bench = FileSimulation()
        bench.files.makeDirectories("/in")
        bench.source.add([try fileWait(1, "/in/*", stableFor: .seconds(60), atLeast: 3)])
        bench.files.write("/in/a", size: 1)
        bench.files.write("/in/b", size: 1)
        bench.settle()
        #expect(result(1, bench) == "0 of at least 3 are there, 2 more not unchanged for 1m")
        bench.loop.pass(.seconds(61))
        #expect(result(1, bench) == "2 of at least 3 are there")
        #expect(bench.gauge("files_settling") == 0)
        bench.files.write("/in/c", size: 1)
        bench.loop.pass(.seconds(30))
        // One that was counted is written to once more.
        bench.files.append("/in/a", 1)
        bench.loop.pass(.seconds(31))
        #expect(result(1, bench) == "2 of at least 3 are there, 1 more not unchanged for 1m")
        bench.loop.pass(.seconds(31))
        #expect(bench.fired == [1])
        #expect(bench.payload(of: 1)?["paths"] == ["/in/a", "/in/b", "/in/c"])
        bench.end()
    }

    @Test("A probe out of turn answers when a count is sure")
    func probing() throws {
        let bench = FileSimulation()
        bench.files.makeDirectories("/net")
        bench.files.setFileSystem("/net", type: 0x6969)
        bench.files.write("/net/a", size: 1)
        bench.source.add([try fileWait(1, "/net/*", until: .removed), try fileWait(2, "/net/a", until: .removed)])
        bench.settle()
        bench.files.remove("/net/a")
        var fired: [[Int64]] = []
        for waitID in [1, 2] as [Int64] { bench.source.probeNow(waitID) { fired.append(bench.fired.sorted()) } }
        bench.settle()
        #expect(fired.count == 2)
        #expect(fired.last == [1, 2])
        bench.end()
    }
}
