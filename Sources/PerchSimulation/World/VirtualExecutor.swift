// SPDX-License-Identifier: Apache-2.0

/// A thread of a simulated process for code that no reactor runs: the tasks of a bundle, a client's calls.
package final class VirtualExecutor: Lane, TaskExecutor, @unchecked Sendable {  // because it is a lane
    /// A thread of a process.
    package override init(world: World, process: ProcessLife) {
        super.init(world: world, process: process)
        join()
    }

    /// Runs an action on it, in the order of submission.
    package func submit(_ action: @escaping @Sendable () -> Void) {
        put(.action(action))
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        put(.job(UnownedJob(job)))
    }

    override func run(_ item: Item) {
        switch item {
        case .action(let action): action()
        case .job(let job): job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }

    /// It belongs to no world any more; what is still put on it runs only by `runOneAfterDeath`.
    package func leaveWorld() {
        world.remove(self)
    }

    /// Runs one thing of what is left. False where nothing is.
    package func runOneAfterDeath() -> Bool {
        guard let item = takeItem() else { return false }
        run(item)
        return true
    }
}
