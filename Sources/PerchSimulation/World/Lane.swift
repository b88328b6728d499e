// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// What one thread of a simulated process has to do, in order. The world runs one item at a time.
package class Lane: @unchecked Sendable {  // because all but the mailbox is touched by the world's thread alone
    enum Item {
        case job(UnownedJob)
        case action(@Sendable () -> Void)
    }

    private struct Mailbox: Sendable {
        var items: [Item] = []
        var arrivals: Arrivals?
    }

    let world: World
    let process: ProcessLife
    private(set) var number = 0
    private let mailbox = Mutex(Mailbox())
    private var items: [Item] = []
    private var head = 0

    init(world: World, process: ProcessLife) {
        self.world = world
        self.process = process
    }

    /// To be called by the initializer of a subclass.
    func join() {
        number = world.add(self)
    }

    func attach(_ arrivals: Arrivals) {
        mailbox.withLock { $0.arrivals = arrivals }
    }

    func put(_ item: Item) {
        precondition(
            world.mayArrive, "something of a simulation ran on a thread of its own: its histories do not repeat")
        let arrivals = mailbox.withLock { mailbox in
            mailbox.items.append(item)
            return mailbox.items.count == 1 ? mailbox.arrivals : nil
        }
        arrivals?.note()
    }

    var hasItem: Bool {
        head < items.count || mailbox.withLock { !$0.items.isEmpty }
    }

    func takeItem() -> Item? {
        if head == items.count {
            items.removeAll(keepingCapacity: true)
            head = 0
            mailbox.withLock { swap(&$0.items, &items) }
        }
        guard head < items.count else { return nil }
        defer { head += 1 }
        return items[head]
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
