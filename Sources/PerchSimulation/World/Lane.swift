// SPDX-License-Identifier: Apache-2.0

/// What one thread of a simulated process has to do, in order. The world runs one item at a time.
package class Lane: @unchecked Sendable {  // because it is touched by the world's thread alone
    enum Item {
        case job(UnownedJob)
        case action(@Sendable () -> Void)
    }

    let world: World
    let process: ProcessLife
    private(set) var number = 0
    private var queue = Queue()

    /// What was taken stays until all was taken.
    private struct Queue {
        var items: [Item] = []
        var head = 0
    }

    init(world: World, process: ProcessLife) {
        self.world = world
        self.process = process
    }

    /// To be called by the initializer of a subclass.
    func join() {
        number = world.add(self)
    }

    /// Puts something on the lane, from whatever thread.
    func put(_ item: Item) {
        world.put(item, on: self)
    }

    /// Puts something on the lane, from the thread that steps the world.
    func append(_ item: Item) {
        queue.items.append(item)
    }

    /// What is on it is forgotten.
    func drop() {
        queue = Queue()
    }

    var hasItem: Bool { !queue.items.isEmpty }

    func takeItem() -> Item? {
        guard queue.head < queue.items.count else { return nil }
        let item = queue.items[queue.head]
        queue.head += 1
        if queue.head == queue.items.count {
            queue.items.removeAll(keepingCapacity: true)
            queue.head = 0
        }
        return item
    }

    func isStalled(_ elapsed: Int64) -> Bool { process.stalledUntil > elapsed }

    // MARK: for subclasses

    /// Whether there is something to run at this instant.
    func isReady(now: Int64, elapsed: Int64) -> Bool {
        !isStalled(elapsed) && hasItem
    }

    /// The instant of `elapsed` at which there will be something to run, as far as is known now.
    func nextInstant(now: Int64, elapsed: Int64) -> Int64? {
        isStalled(elapsed) && hasItem ? process.stalledUntil : nil
    }

    /// Runs one item. `choose` draws a number below its argument.
    func runOne(now: Int64, choose: (Int) -> Int) {
        if let item = takeItem() { run(item) }
    }

    func run(_ item: Item) {}

    /// Whether the world runs an item of this lane right now, on the caller's thread.
    package var isCurrent: Bool { world.isRunning(self) }
}
