// SPDX-License-Identifier: Apache-2.0

package import Logging
package import PerchExecutor
package import PerchMetastore
package import PerchOutputs
package import PerchReactor
package import PerchScheduler
package import PerchTriggerer

/// One engine process in virtual time: the scheduler, executor, triggerer and metastore of production, each on a lane of
/// its own. It can be killed between any two steps.
///
/// Unchecked, because a simulation runs on one thread.
package final class SimulatedEngine: @unchecked Sendable {
    /// What an engine is made of that differs from production, and which roles it plays.
    package struct Parts {
        package var driver: any MetastoreDriver
        package var log: Logger
        package var latency = Latency.ordinary
        package var scheduler: SchedulerConfiguration?
        package var triggerer: TriggererConfiguration?
        /// Makes the executor on its reactor; nil: this process runs no tasks.
        package var executor: ((SimulatedEngine, any Reactor) -> Executor)?
        package var processes: any ProcessTable
        package var sources: Triggerer.SourceFactory
        /// Where outputs lie that are too long for their rows.
        package var outputs: (any OutputStore)?
        /// Rings the bells of a COMMIT at whoever is to hear them.
        package var ring: @Sendable (DoorbellSet) -> Void

        package init(
            driver: any MetastoreDriver, log: Logger, processes: any ProcessTable,
            sources: @escaping Triggerer.SourceFactory, ring: @escaping @Sendable (DoorbellSet) -> Void
        ) {
            self.driver = driver
            self.log = log
            self.processes = processes
            self.sources = sources
            self.ring = ring
        }
    }

    package let life: ProcessLife
    package let metastore: Metastore
    package private(set) var scheduler: Scheduler?
    package private(set) var triggerer: Triggerer?
    package private(set) var executor: Executor?
    /// Why it could not start.
    package private(set) var startFailure: (any Error)?
    package private(set) var isRunning = false
    /// Whether everything that ran in it has come to its end.
    package private(set) var hasEnded = false

    private let world: World
    private let driver: any MetastoreDriver
    private let runner: VirtualRunner
    private let main: VirtualExecutor
    private var reactors: [VirtualReactor] = []
    /// What has to be ended with it that is not of the engine: links to bundles.
    package var onDeath: (() -> Void)?

    /// A process that does nothing before `start`.
    package init(name: String, world: World, doorbells: Doorbells, parts: Parts) throws {
        self.world = world
        driver = parts.driver
        life = ProcessLife(name: name)
        runner = VirtualRunner(world: world, process: life, latency: parts.latency)
        main = VirtualExecutor(world: world, process: life)
        metastore = Metastore(
            clock: VirtualClock(world, process: life), driver: parts.driver, runner: runner, doorbells: doorbells,
            outputs: parts.outputs, ring: parts.ring)
        if let configuration = parts.scheduler {
            scheduler = Scheduler(
                metastore: metastore, reactor: reactor("scheduler"), configuration: configuration, log: parts.log)
        }
        if let configuration = parts.triggerer {
            triggerer = Triggerer(
                metastore: metastore, reactor: reactor("triggerer"), processes: parts.processes,
                configuration: configuration, log: parts.log, sources: parts.sources)
        }
        if let make = parts.executor { executor = make(self, reactor("executor")) }
    }

    private func reactor(_ role: String) -> VirtualReactor {
        let reactor = VirtualReactor(name: "\(life.name) \(role)", world: world, process: life)
        reactor.start()
        reactors.append(reactor)
        return reactor
    }

    /// Starts the roles in the order of production: the executor first, for a bundle that is refused starts nothing else.
    package func start() {
        Task(executorPreference: main) { [self] in
            do {
                if let executor { try await executor.start() }
                await scheduler?.start()
                await triggerer?.start()
                isRunning = true
            } catch {
                startFailure = error
            }
        }
    }

    /// Runs something in this process, as a command's code runs in its own.
    package func perform(_ body: @escaping @Sendable (Metastore) async -> Void) {
        Task(executorPreference: main) { [metastore] in await body(metastore) }
    }

    /// Ends as production does when it is told to stop.
    package func stop(_ whenDone: @escaping @Sendable () -> Void) {
        Task(executorPreference: main) { [self] in
            await stopRoles()
            // Killed while it stopped: `kill` has seen to the rest.
            guard !life.isDead else { return }
            leave()
            do { try metastore.close() } catch { startFailure = error }
            whenDone()
        }
    }

    private func stopRoles() async {
        await executor?.stop()
        await triggerer?.stop()
        await scheduler?.stop()
    }

    private func leave() {
        isRunning = false
        life.die(now: world.now)
        for reactor in reactors { reactor.stop() }
        main.leaveWorld()
    }

    /// Kills it between two steps. `driver` must be dead already: nothing of what follows has an effect. What is left of
    /// the roles is run to its end outside the world, so that no task and no memory stays behind.
    package func kill() {
        guard !life.isDead else { return }
        isRunning = false
        life.die(now: world.now)
        for reactor in reactors { reactor.leaveWorld() }
        main.leaveWorld()
        onDeath?()
        onDeath = nil
        Task(executorPreference: main) { [self] in
            await stopRoles()
            hasEnded = true
        }
        for _ in 0..<100_000 {
            runner.answerTheDead()
            var isMore = main.runOneAfterDeath()
            for reactor in reactors where reactor.runOneAfterDeath() { isMore = true }
            if !isMore { break }
        }
        for reactor in reactors { reactor.stop() }
        runner.stop()
        do {
            try metastore.close()
        } catch {
            preconditionFailure("a dead driver closes without a word: \(error)")
        }
        scheduler = nil
        triggerer = nil
        executor = nil
    }
}
