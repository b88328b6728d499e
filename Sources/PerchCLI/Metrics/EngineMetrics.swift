// SPDX-License-Identifier: Apache-2.0

internal import CoreMetrics
internal import PerchMetastore
internal import PerchMetrics
internal import PerchTriggerer
internal import Synchronization

/// The instruments of one engine, and their text. What a role measures itself goes through a small protocol of its room;
/// what it only knows is read when the text is asked for.
final class EngineMetrics: Sendable {
    let registry: MetricRegistry
    let commits: CommitInstruments
    /// What was read of numbers that only grow.
    private let seen = Mutex<[String: Int]>([:])
    /// What the workers of this process say of themselves, one for each bundle.
    private let workers = Mutex(Workers())

    private struct Workers: Sendable {
        var slots = 0
        var inUse: [@Sendable () -> Int] = []
        var held: [@Sendable () -> Int] = []
    }

    /// What tells spans; nil where nobody wants them.
    let traces: TraceExporter?

    /// - Parameter traces: Where spans go; nil: nowhere, and nothing is noted for them.
    init(traces: TraceSettings? = nil, log: EngineLog? = nil) {
        let registry = MetricRegistry(MetricCatalogue.all)
        self.registry = registry
        self.traces = traces.map { settings in
            TraceExporter(settings, log: log?.logger("traces")) { count, result in
                Counter(label: "perch_spans_total", dimensions: [("result", result.rawValue)], factory: registry)
                    .increment(by: count)
            }
        }
        commits = CommitInstruments(registry, traces: self.traces)
    }

    func loop(_ name: String) -> LoopInstruments { LoopInstruments(name, registry) }

    func probes(kind: String) -> ProbeInstruments { ProbeInstruments(kind: kind, registry) }

    /// How many more dispatches may run at once.
    func slots(of count: Int) {
        let slots = workers.withLock { workers in
            workers.slots += count
            return workers.slots
        }
        set("perch_slots", slots)
    }

    /// Who knows how many dispatches are held.
    func slots(inUse: @escaping @Sendable () -> Int) { workers.withLock { $0.inUse.append(inUse) } }

    /// Who knows how often tasks have held threads.
    func threads(held: @escaping @Sendable () -> Int) { workers.withLock { $0.held.append(held) } }

    /// Counts what rings.
    func count(_ doorbells: Doorbells) {
        let bells: [(bell: DoorbellSet, name: String)] = [
            (.runs, "runs"), (.queue, "queue"), (.cancels, "cancels"), (.waits, "waits"), (.events, "events"),
            (.finished, "finished"), (.owners, "owners"), (.hosted, "hosted"),
        ]
        for (bell, name) in bells {
            let counter = Counter(label: "perch_doorbells_total", dimensions: [("bell", name)], factory: registry)
            doorbells.subscribe(bell) { _ in counter.increment() }
        }
    }

    /// Everything, in the text format of Prometheus, version 0.0.4; from any thread.
    @Sendable func text(_ triggerer: TriggererSummary) -> String {
        readWorker()
        for (kind, states) in triggerer.states {
            for (state, count) in states { set("perch_waits", count, [("kind", kind), ("state", state)]) }
        }
        for (item, count) in triggerer.gauges { set("perch_source_items", count, [("item", item)]) }
        set("perch_fires_uncommitted", triggerer.uncommitted)
        set("perch_shards_held", triggerer.shards)
        advance("perch_lost_races_total", to: triggerer.lostRaces)
        advance("perch_leases_lost_total", to: triggerer.leasesLost)
        for (source, count) in triggerer.slowCalls {
            advance("perch_slow_calls_total", to: count, [("source", source)])
        }
        return registry.text
    }

    /// The same in a process without a triggerer.
    @Sendable func text() async -> String {
        readWorker()
        return registry.text
    }

    /// What `text` gives with what a triggerer says of itself when it is asked.
    func text(of triggerer: Triggerer) -> @Sendable () async -> String {
        { self.text(await triggerer.summary()) }
    }

    private func readWorker() {
        let workers = workers.withLock { $0 }
        if !workers.inUse.isEmpty { set("perch_slots_in_use", workers.inUse.reduce(0) { $0 + $1() }) }
        if !workers.held.isEmpty { advance("perch_threads_held_total", to: workers.held.reduce(0) { $0 + $1() }) }
    }

    private func set(_ label: String, _ value: Int, _ dimensions: [(String, String)] = []) {
        Meter(label: label, dimensions: dimensions, factory: registry).set(value)
    }

    /// A counter that somebody else keeps: what it has grown since the last time is added.
    private func advance(_ label: String, to value: Int, _ dimensions: [(String, String)] = []) {
        let growth = seen.withLock { seen in
            let key = label + dimensions.map { " \($0.0)=\($0.1)" }.joined()
            defer { seen[key] = max(value, seen[key] ?? 0) }
            return max(0, value - (seen[key] ?? 0))
        }
        Counter(label: label, dimensions: dimensions, factory: registry).increment(by: growth)
    }
}
