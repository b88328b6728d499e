// SPDX-License-Identifier: Apache-2.0

import PerchReactor
import Testing

@testable import PerchSimulation

@Suite("The simulated world")
struct WorldTests {
    /// An actor of the world that writes down what it does.
    private actor Clerk {
        nonisolated let reactor: VirtualReactor
        nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }
        private let name: String
        private let book: Book

        init(_ name: String, _ reactor: VirtualReactor, _ book: Book) {
            self.name = name
            self.reactor = reactor
            self.book = book
        }

        func work(_ count: Int, with other: Clerk?) async {
            for number in 0..<count {
                book.write("\(name) \(number)")
                await other?.note("for \(name) \(number)")
            }
        }

        func note(_ text: String) { book.write("\(name) \(text)") }

        func after(_ span: Int64, _ text: String) {
            let loop = reactor.loop
            _ = loop.schedule(at: loop.now + span) { [self] in
                assumeIsolated { $0.note("\(text) at \($0.reactor.loop.now)") }
            }
        }
    }

    private final class Book: @unchecked Sendable {  // because the world has one thread
        private(set) var lines: [String] = []
        func write(_ line: String) { lines.append(line) }
    }

    private func history(seed: UInt64) -> (lines: [String], fingerprint: UInt64) {
        let world = World(seed: seed, now: 1_000_000)
        let life = ProcessLife(name: "office")
        let book = Book()
        let clerks = ["anna", "ben"].map { name in
            let reactor = VirtualReactor(name: name, world: world, process: life)
            reactor.start()
            return Clerk(name, reactor, book)
        }
        let main = VirtualExecutor(world: world, process: life)
        Task(executorPreference: main) {
            async let first: Void = clerks[0].work(5, with: clerks[1])
            async let second: Void = clerks[1].work(5, with: clerks[0])
            _ = await (first, second)
            await clerks[0].after(3_600_000_000, "an hour later")
        }
        while world.step() {}
        return (book.lines, world.fingerprint)
    }

    @Test("A seed is a history, and another seed is another one")
    func seeds() {
        let first = history(seed: 1)
        #expect(first.lines.count == 21)
        #expect(first.lines.last == "anna an hour later at 3601000000")
        #expect(history(seed: 1) == first)
        #expect((2...20).contains { history(seed: $0).lines != first.lines })
    }

    @Test("An hour takes no time, and a limit is kept")
    func limit() {
        let world = World(seed: 1, now: 0)
        var rung = false
        world.after(3_600_000_000) { rung = true }
        #expect(!world.step(until: 60_000_000))
        #expect(world.elapsed == 60_000_000)
        #expect(world.now == 60_000_000)
        #expect(world.step())
        #expect(rung)
        #expect(!world.step())
    }

    @Test("A clock that is set forward makes timers due, one that is set back holds them")
    func jumps() async {
        let world = World(seed: 1, now: 0)
        let reactor = VirtualReactor(name: "r", world: world, process: ProcessLife(name: "p"))
        reactor.start()
        let due = Book()
        reactor.submit {
            let loop = reactor.loop
            _ = loop.schedule(at: 1_000) { due.write("\(world.elapsed)") }
            _ = loop.schedule(at: 2_000) { due.write("\(world.elapsed)") }
        }
        world.step()
        world.jump(by: 1_500)
        world.step()
        world.jump(by: -500)
        while world.step() {}
        #expect(due.lines == ["0", "1000"])
    }

    @Test("A stalled process gets no time until its stall is over")
    func stall() {
        let world = World(seed: 1, now: 0)
        let life = ProcessLife(name: "p")
        let reactor = VirtualReactor(name: "r", world: world, process: life)
        reactor.start()
        let ran = Book()
        reactor.submit { ran.write("\(world.elapsed)") }
        world.after(10, of: life) { ran.write("\(world.elapsed)") }
        life.stall(until: 5_000)
        while world.step() {}
        #expect(ran.lines == ["5000", "5000"])
    }
}
