// SPDX-License-Identifier: Apache-2.0

internal import CoreMetrics
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK
internal import Synchronization

/// What the metastore of this process commits.
final class CommitInstruments: MetastoreMeter {
    /// The counters of one kind of wait.
    private struct Fired: Sendable {
        let events: Counter
        let timeouts: Counter
        let broken: Counter
        let cancelled: Counter
    }

    private let factory: any MetricsFactory
    private let committed: Counter
    private let failed: Counter
    private let members: Recorder
    private let duration: Recorder
    private let lag: Recorder
    private let events: Counter
    private let entered: [(state: any KeyPath<TransactionTally, Int> & Sendable, counter: Counter)]
    /// Made when a kind is seen for the first time; looked up once for each kind in a group.
    private let fired = Mutex<[String: Fired]>([:])
    /// Where spans are told; nil: nowhere.
    private let traces: TraceExporter?

    init(_ factory: any MetricsFactory, traces: TraceExporter? = nil) {
        self.factory = factory
        self.traces = traces
        func commits(_ result: String) -> Counter {
            Counter(label: "perch_commits_total", dimensions: [("result", result)], factory: factory)
        }
        func histogram(_ label: String) -> Recorder {
            Recorder(label: label, dimensions: [], aggregate: true, factory: factory)
        }
        (committed, failed) = (commits("committed"), commits("failed"))
        members = histogram("perch_commit_members")
        duration = histogram("perch_commit_duration_seconds")
        lag = histogram("perch_timer_lag_seconds")
        events = Counter(label: "perch_events_accepted_total", factory: factory)
        let states: [(TaskState, any KeyPath<TransactionTally, Int> & Sendable)] = [
            (.queued, \.queued), (.running, \.running), (.deferred, \.deferred), (.upForRetry, \.upForRetry),
            (.success, \.success), (.failed, \.failed), (.skipped, \.skipped), (.upstreamFailed, \.upstreamFailed),
            (.removed, \.removed),
        ]
        entered = states.map { state, path in
            let dimensions = [("state", state.rawValue)]
            return (path, Counter(label: "perch_task_transitions_total", dimensions: dimensions, factory: factory))
        }
    }

    var uptime: Int64 { ThreadReactor.monotonicClock() }

    var wantsEnds: Bool { traces != nil }

    func commitFailed() { failed.increment() }

    func committed(members count: Int, took: Int64, _ tally: TransactionTally, now: Timestamp) {
        committed.increment()
        members.record(Int64(count))
        duration.record(Double(took) / 1e6)
        if tally.events > 0 { events.increment(by: tally.events) }
        for (path, counter) in entered {
            let count = tally[keyPath: path]
            if count > 0 { counter.increment(by: count) }
        }
        for due in tally.dues { lag.record(Double(max(0, (now - due).microseconds)) / 1e6) }
        for fires in tally.fires { add(fires) }
        if let traces, !tally.traced.isEmpty { traces.take(tally.traced) }
    }

    private func add(_ fires: TransactionTally.Fires) {
        let counters = fired.withLock { known in
            if let counters = known[fires.kind] { return counters }
            let made = makeCounters(of: fires.kind)
            known[fires.kind] = made
            return made
        }
        if fires.events > 0 { counters.events.increment(by: fires.events) }
        if fires.timeouts > 0 { counters.timeouts.increment(by: fires.timeouts) }
        if fires.broken > 0 { counters.broken.increment(by: fires.broken) }
        if fires.cancelled > 0 { counters.cancelled.increment(by: fires.cancelled) }
    }

    private func makeCounters(of kind: String) -> Fired {
        func counter(_ outcome: String) -> Counter {
            let dimensions = [("kind", kind), ("outcome", outcome)]
            return Counter(label: "perch_waits_fired_total", dimensions: dimensions, factory: factory)
        }
        return Fired(
            events: counter("event"), timeouts: counter("timeout"), broken: counter("broken"),
            cancelled: counter("cancelled"))
    }
}
