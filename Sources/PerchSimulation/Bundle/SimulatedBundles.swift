// SPDX-License-Identifier: Apache-2.0

package import PerchExecutor
package import PerchOutputs
package import PerchReactor
package import PerchSDK

/// The bundles of a simulated machine, and what happens to all of them.
///
/// Unchecked, because a simulation runs on one thread.
package final class SimulatedBundles: @unchecked Sendable {
    let world: World
    let machine: SimulatedMachine
    let clock: any PerchClock
    let latency: Latency
    /// What the next bundle that is started declares, and under which version.
    package var dags: [DAG]
    package var bundleVersion = "1"
    package var triggers: [any AsyncTrigger.Type] = []
    /// Where long outputs go.
    package var outputs: OutputKeeping?
    /// Called for each dispatch that reaches a bundle.
    package var onDispatch: ((AttemptFacts) -> Void)?
    /// Until when each message that changes something comes again, later and with other content.
    private var duplicatingUntil: Int64 = 0
    private var living: [SimulatedBundle] = []
    /// Dead ones of whose end the engine has not heard yet.
    private var untold: [SimulatedBundle] = []

    /// The bundles of a machine.
    package init(world: World, machine: SimulatedMachine, clock: any PerchClock, latency: Latency, dags: [DAG]) {
        self.world = world
        self.machine = machine
        self.clock = clock
        self.latency = latency
        self.dags = dags
    }

    /// What starts bundles for one engine.
    package func launcher(engine: ProcessLife, pid: Int32, reactor: any Reactor) -> any BundleLauncher {
        Launcher(bundles: self, engine: engine, pid: pid, reactor: reactor)
    }

    private struct Launcher: BundleLauncher {
        let name = "default"
        let mark = "PERCH_BUNDLE_MARK=simulated"
        var bundles: SimulatedBundles
        var engine: ProcessLife
        var pid: Int32
        var reactor: any Reactor

        func launch(loop: any EventLoop, callbacks: BundleCallbacks) throws -> any BundleLink {
            guard !engine.isDead else { throw PerchError(.unavailable, "the engine is dead") }
            let bundle = SimulatedBundle(bundles, engine: engine, parent: pid, reactor: reactor, callbacks: callbacks)
            bundles.living.append(bundle)
            return bundle
        }
    }

    func remove(_ bundle: SimulatedBundle) {
        living.removeAll { $0 === bundle }
    }

    func waitsToTell(_ bundle: SimulatedBundle) {
        untold.append(bundle)
    }

    func hasTold(_ bundle: SimulatedBundle) {
        untold.removeAll { $0 === bundle }
    }

    /// An engine is dead.
    package func engineDied(_ engine: ProcessLife) {
        for bundle in living + untold where bundle.isOf(engine) { bundle.engineDied() }
    }

    /// The bundles that live, in the order of their starts.
    package var all: [SimulatedBundle] { living }

    var isDuplicating: Bool { duplicatingUntil > world.elapsed }

    /// For a span, what bundles say comes a second time.
    package func duplicate(for microseconds: Int64) {
        duplicatingUntil = max(duplicatingUntil, world.elapsed + microseconds)
    }

    /// Cuts bytes somewhere, now and then.
    func cut(_ bytes: [UInt8]) -> [[UInt8]] {
        guard latency.most > 0, bytes.count > 1, world.chance(oneIn: 4) else { return [bytes] }
        let place = Int(world.random(in: 1...Int64(bytes.count - 1)))
        return [Array(bytes[..<place]), Array(bytes[place...])]
    }
}
