// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore

/// Puts a metastore's groups and reads on their places in virtual time: each after a latency, one group at a time.
///
/// Unchecked, because a simulation runs on one thread.
final class VirtualRunner: MetastoreRunner, @unchecked Sendable {
    private let world: World
    private let process: ProcessLife
    private let latency: Latency
    private var commitNext: (@Sendable () -> Bool)?
    private var isPlanned = false
    /// Reads that were asked for and not made yet, in the order in which they were asked for.
    private var reads: [Int: @Sendable () -> Void] = [:]
    private var lastRead = 0

    init(world: World, process: ProcessLife, latency: Latency) {
        self.world = world
        self.process = process
        self.latency = latency
    }

    func start(commitNext: @escaping @Sendable () -> Bool) {
        self.commitNext = commitNext
    }

    func wakeWriter() {
        guard !isPlanned else { return }
        isPlanned = true
        world.after(latency.draw(world), of: process) { [self] in
            isPlanned = false
            if commitNext?() == true { wakeWriter() }
        }
    }

    func read(_ work: @escaping @Sendable () -> Void) {
        lastRead += 1
        let number = lastRead
        reads[number] = work
        // The snapshot is taken here, the answer comes later: by then it may be out of date, as in production.
        world.after(latency.draw(world), of: process) { [self] in
            reads.removeValue(forKey: number)?()
        }
    }

    func stop() {
        while commitNext?() == true {}
        commitNext = nil
    }

    /// The process is dead: whoever waits for an answer is told so by the dead driver.
    func answerTheDead() {
        while commitNext?() == true {}
        for number in reads.keys.sorted() { reads.removeValue(forKey: number)?() }
    }
}

/// How long a simulated machine takes for things, in microseconds.
package struct Latency: Sendable {
    /// The bounds of what is drawn.
    package var least: Int64
    package var most: Int64
    /// Once in so many times it takes a hundred times as long; 0: never.
    package var slowOneIn: Int64

    /// Nothing takes any time.
    package static let none = Latency(least: 0, most: 0, slowOneIn: 0)
    /// A machine with an ordinary disk, that stops for breath now and then.
    package static let ordinary = Latency(least: 50, most: 1_000, slowOneIn: 50)

    /// A span of virtual time.
    package func draw(_ world: World) -> Int64 {
        guard most > 0 else { return 0 }
        let span = world.random(in: least...most)
        return slowOneIn > 0 && world.chance(oneIn: slowOneIn) ? span * 100 : span
    }
}
