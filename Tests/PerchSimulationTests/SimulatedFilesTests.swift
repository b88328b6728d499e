// SPDX-License-Identifier: Apache-2.0

import Glibc
import PerchReactor
import PerchSDK
import PerchSimulation
import PerchTriggersFile
import Testing

@Suite(.timeLimit(.minutes(1)))
struct SimulatedFilesTests {
    @Test("Files that are written, moved into place, or made with their directories fire, after the latency alone")
    func basics() throws {
        let bench = FileSimulation()
        bench.files.makeDirectories("/in/sub")
        try bench.add([
            (1, "/in/a"), (2, "/in/b"), (3, "/new/dir/c"), (4, "/in/sub/*.csv"), (5, "/in/never"),
        ])
        bench.settle()
        bench.files.write("/in/a", size: 5)
        #expect(bench.fired.isEmpty)
        bench.settle()
        #expect(bench.fired == [1])
        bench.files.write("/in/b.part", content: [1, 2, 3])
        bench.files.move("/in/b.part", to: "/in/b")
        bench.settle()
        #expect(bench.payload(of: 2)?["size"] == .integer(3))
        bench.files.makeDirectories("/new/dir")
        bench.files.write("/new/dir/c", size: 0, modifiedAt: 1_000_000)
        bench.settle()
        #expect(bench.payload(of: 3)?["modified_at"] == .integer(1_000_000))
        bench.files.write("/in/sub/y.csv", size: 1)
        bench.files.write("/in/sub/x.csv", size: 1)
        bench.settle()
        #expect(bench.payload(of: 4)?["paths"] == ["/in/sub/x.csv", "/in/sub/y.csv"])
        #expect(bench.fired == [1, 2, 3, 4])
        bench.end()
    }

    @Test("A file that grows fires when it is large enough, and when it no longer grows")
    func growing() throws {
        let bench = FileSimulation()
        try bench.add([(1, "/f")], minimumSize: 100)
        try bench.add([(2, "/f")], stableFor: .seconds(60))
        bench.files.write("/f", size: 10, closes: false)
        for _ in 0..<9 {
            bench.loop.pass(.seconds(50))
            #expect(bench.fired.isEmpty)
            bench.files.append("/f", 10, closes: false)
        }
        bench.settle()
        #expect(bench.fired == [1])
        bench.loop.pass(.seconds(40))
        bench.files.closeWriter("/f")
        bench.loop.pass(.seconds(61))
        #expect(bench.fired == [1, 2])
        bench.end()
    }

    @Test("What an overflow loses is found by looking everywhere", arguments: [true, false])
    func overflow(byScript: Bool) throws {
        let bench = FileSimulation()
        bench.files.makeDirectory("/in")
        try bench.add([(1, "/in/a"), (2, "/in/sub/b"), (3, "/*/c")])
        bench.settle()
        if byScript { bench.files.overflowNext() } else { bench.files.queueLimit = 1 }
        bench.files.write("/in/a", size: 1)
        bench.files.makeDirectory("/in/sub")
        bench.files.write("/in/sub/b", size: 1)
        bench.files.makeDirectory("/other")
        bench.files.write("/other/c", size: 1)
        bench.settle()
        #expect(bench.fired.sorted() == [1, 2, 3])
        bench.end()
    }

    @Test("Past the limit of watches directories are polled, and watched when the limit allows it")
    func watchLimit() throws {
        let bench = FileSimulation()
        bench.files.makeDirectories("/a")
        bench.files.makeDirectories("/b")
        bench.files.watchLimit = 1
        try bench.add([(1, "/a/f"), (2, "/b/f"), (3, "/b/g")])
        bench.settle()
        #expect(bench.files.watchCount == 1)
        bench.files.write("/b/f", size: 1)
        bench.settle()
        #expect(bench.fired.isEmpty)
        bench.loop.pass(.seconds(5))
        #expect(bench.fired == [2])
        bench.files.watchLimit = nil
        bench.loop.pass(.seconds(5))
        #expect(bench.files.watchCount == 2)
        bench.files.write("/b/g", size: 1)
        bench.settle()
        #expect(bench.fired == [2, 3])
        bench.end()
    }

    @Test("A directory that may not be read, or cannot be asked for, delays a wait and does not end it")
    func denied() throws {
        let bench = FileSimulation()
        bench.files.makeDirectories("/closed")
        bench.files.makeDirectories("/broken")
        bench.files.setOpen("/closed", false)
        bench.files.setFault("/broken", EIO)
        try bench.add([(1, "/closed/f"), (2, "/broken/f")])
        bench.files.write("/closed/f", size: 1)
        bench.loop.pass(.seconds(20))
        bench.files.setFault("/broken", EACCES)
        bench.loop.pass(.seconds(20))
        #expect(bench.fired.isEmpty)
        bench.files.setOpen("/closed", true)
        bench.files.setFault("/broken", nil)
        bench.loop.pass(.seconds(6))
        #expect(bench.fired == [1])
        bench.files.write("/broken/f", size: 1)
        bench.settle()
        #expect(bench.fired == [1, 2])
        bench.end()
    }

    @Test("What could not be read when it was looked into is looked into again", arguments: [EACCES, EMFILE, EIO])
    func unreadable(number: Int32) throws {
        let bench = FileSimulation()
        bench.files.makeDirectories("/in/day-1")
        bench.files.write("/in/a.csv", size: 1)
        bench.files.write("/in/day-1/f", size: 1)
        try bench.add([(9, "/in/never")])
        bench.settle()
        if number == EACCES { bench.files.setOpen("/in", false) } else { bench.files.setFault("/in", number) }
        bench.settle()
        try bench.add([(1, "/in/*.csv"), (2, "/in/day-*/f")])
        bench.loop.pass(.seconds(12))
        #expect(bench.fired.isEmpty)
        bench.files.heal()
        bench.loop.pass(.seconds(6))
        #expect(bench.fired.sorted() == [1, 2])
        bench.end()
    }

    @Test("A link that a pattern matches counts from when there is something where it leads")
    func matchedLinks() throws {
        let bench = FileSimulation()
        bench.files.makeDirectories("/in")
        bench.files.makeDirectories("/elsewhere")
        bench.files.link("/in/a.csv", to: "/elsewhere/a")
        bench.files.link("/in/day-1", to: "/elsewhere/day")
        try bench.add([(1, "/in/*.csv"), (2, "/in/day-*/f"), (3, "/in/*.csv")], stableFor: .seconds(1))
        bench.loop.pass(.seconds(20))
        bench.files.write("/elsewhere/a", size: 1)
        bench.loop.pass(.seconds(10))
        #expect(bench.fired == [1, 3])
        bench.files.makeDirectory("/elsewhere/day")
        bench.files.write("/elsewhere/day/f", size: 1)
        bench.loop.pass(.seconds(10))
        #expect(bench.fired == [1, 3, 2])
        bench.end()
    }

    @Test("On a network file system, which reports nothing, files are found by polling")
    func network() throws {
        let bench = FileSimulation()
        bench.files.makeDirectories("/net/in")
        bench.files.setFileSystem("/net", type: 0x6969)
        try bench.add([(1, "/net/in/f")])
        bench.settle()
        #expect(bench.source.explain(1)?.sentences.contains { $0.contains("NFS") } == true)
        bench.files.write("/net/in/f", size: 1)
        bench.settle()
        #expect(bench.fired.isEmpty)
        bench.loop.pass(.seconds(5))
        #expect(bench.fired == [1])
        bench.end()
    }

    @Test("A process that has died watches nothing, and the next one finds what came meanwhile")
    func death() throws {
        let files = FileSimulation()
        files.files.makeDirectories("/in")
        try files.add([(1, "/in/a"), (2, "/in/b")])
        files.settle()
        #expect(files.files.watchCount == 1)
        files.files.write("/in/a", size: 1)
        files.view.die()
        #expect(files.files.watchCount == 0)
        files.settle()
        #expect(files.fired.isEmpty)
        let next = FileSimulation(files: files.files, loop: files.loop)
        try next.add([(1, "/in/a"), (2, "/in/b")])
        files.files.write("/in/b", size: 1)
        next.settle()
        #expect(next.fired == [1, 2])
        #expect(files.fired.isEmpty)
        next.source.shutDown()
        #expect(files.files.watchCount == 0)
    }

    @Test("A wait that comes between the replacing of a directory and its event leaves no watch behind")
    func replacedUnseen() throws {
        let bench = FileSimulation()
        bench.files.makeDirectories("/in")
        bench.files.makeDirectories("/keep")
        try bench.add([(1, "/in/a"), (3, "/keep/x")])
        bench.settle()
        bench.files.move("/in", to: "/old")
        bench.files.makeDirectory("/in")
        // Wants writes watched too, and asks for that by the path.
        try bench.add([(2, "/in/b")], minimumSize: 10)
        bench.source.remove(1)
        bench.source.remove(2)
        bench.settle()
        #expect(bench.files.watchCount == 1)
        bench.end()
    }
}
