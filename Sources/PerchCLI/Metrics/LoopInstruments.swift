// SPDX-License-Identifier: Apache-2.0

internal import CoreMetrics
internal import PerchReactor
internal import PerchSDK

/// How one loop keeps up.
final class LoopInstruments: LoopMeter {
    private let turns: Recorder
    private let late: Recorder
    private let commands: Counter

    init(_ loop: String, _ factory: any MetricsFactory) {
        let dimensions = [("loop", loop)]
        turns = Recorder(label: "perch_loop_turn_seconds", dimensions: dimensions, aggregate: true, factory: factory)
        late = Recorder(
            label: "perch_loop_timer_late_seconds", dimensions: dimensions, aggregate: true, factory: factory)
        commands = Counter(label: "perch_loop_commands_total", dimensions: dimensions, factory: factory)
    }

    func turned(took microseconds: Int64, commands count: Int) {
        turns.record(Double(microseconds) / 1e6)
        if count > 0 { commands.increment(by: count) }
    }

    func servedTimers(late microseconds: Int64) { late.record(Double(microseconds) / 1e6) }
}

/// The probes of one kind.
final class ProbeInstruments: ProbeMeter {
    private let duration: Recorder
    private let met: Counter
    private let unmet: Counter
    private let failed: Counter

    init(kind: String, _ factory: any MetricsFactory) {
        func counter(_ result: ProbeResult) -> Counter {
            Counter(
                label: "perch_probes_total", dimensions: [("kind", kind), ("result", result.rawValue)],
                factory: factory)
        }
        duration = Recorder(
            label: "perch_probe_duration_seconds", dimensions: [("kind", kind)], aggregate: true, factory: factory)
        (met, unmet, failed) = (counter(.met), counter(.unmet), counter(.failed))
    }

    func probed(took microseconds: Int64, _ result: ProbeResult) {
        duration.record(Double(microseconds) / 1e6)
        switch result {
        case .met: met.increment()
        case .unmet: unmet.increment()
        case .failed: failed.increment()
        }
    }
}
