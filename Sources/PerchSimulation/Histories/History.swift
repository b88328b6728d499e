// SPDX-License-Identifier: Apache-2.0

internal import PerchExecutor
internal import PerchReactor
internal import PerchSDK

/// A history drawn from a seed: a workload, faults, and the order in which everything happens.
package struct History: Sendable {
    package let seed: UInt64
    package let workload: Workload
    package let faults: [Fault]
    private let hasStandby: Bool
    private let hasSecondWorker: Bool
    /// Changes a statement before it is prepared, to break a rule on purpose.
    private let sabotage: Sabotage?

    /// The history of a seed.
    ///
    /// - Parameters:
    ///   - kinds: The kinds of faults that it may have.
    ///   - count: How many faults it has; fewer where the kinds are empty.
    ///   - hasGroups: Whether its DAGs have mapped groups.
    package init(
        seed: UInt64, faults kinds: [String] = Fault.names, count: Int = 20, sabotage: Sabotage? = nil,
        hasGroups: Bool = false
    ) {
        var limits = WorkloadGenerator.Limits()
        // More faults take more time: each costs the engine some seconds.
        limits.horizon = .seconds(Int64(max(120, count * 15)))
        limits.hasGroups = hasGroups
        var generator = LoopGenerator(seed: seed, stream: 1)
        self.seed = seed
        self.sabotage = sabotage
        workload = WorkloadGenerator.workload(seed: seed, limits: limits)
        hasStandby = Int.random(in: 1...4, using: &generator) == 1
        hasSecondWorker = Int.random(in: 1...4, using: &generator) == 1
        var drawn: [Fault] = []
        for _ in 0..<(kinds.isEmpty ? 0 : count) {
            let kind = kinds[Int.random(in: 0..<kinds.count, using: &generator)]
            let instant = Int64.random(in: 0...limits.horizon.microseconds, using: &generator)
            drawn.append(Fault.draw(kind, at: instant, using: &generator))
        }
        faults = drawn.sorted { $0.at < $1.at }
    }

    /// Runs it.
    package func run(trace: ((String) -> Void)? = nil) -> HistoryReport {
        run(workload, faults, keeps: 60, trace)
    }

    private func run(
        _ workload: Workload, _ faults: [Fault], keeps: Int = 0, _ onTrace: ((String) -> Void)? = nil
    ) -> HistoryReport {
        var settings = Simulation.Settings()
        settings.seed = seed
        settings.hasStandby = hasStandby
        settings.hasSecondWorker = hasSecondWorker
        settings.executor.slots = 4
        settings.sabotage = sabotage
        let trial = Trial(workload, settings: settings)
        trial.traceLimit = keeps
        trial.onTrace = onTrace
        trial.run(faults: faults)
        return trial.report
    }

    /// What is left of a failing history when everything is left out without which it fails as well.
    package func shrunken(tries: Int = 150) -> (workload: Workload, faults: [Fault], report: HistoryReport) {
        let rule = Self.rule(run(workload, faults).violations)
        var smaller = workload
        func fails(_ workload: Workload, _ faults: [Fault]) -> Bool {
            let found = Self.rule(run(workload, faults).violations)
            return found != nil && found == rule
        }
        let fewer = shrink(faults, most: tries) { fails(smaller, $0) }
        smaller.plan = shrink(workload.plan, most: tries) { plan in
            var candidate = workload
            candidate.plan = plan
            return fails(candidate, fewer)
        }
        let dags = shrink(smaller.dags, most: tries) { dags in
            var candidate = smaller
            candidate.dags = dags
            return fails(candidate, fewer)
        }
        smaller.dags = dags
        return (smaller, fewer, run(smaller, fewer, keeps: 60))
    }

    /// The rule in brackets at the beginning of a violation: a smaller history has to break the same one.
    private static func rule(_ violations: [String]) -> String? {
        violations.first.map { String($0.prefix { $0 != "]" }) }
    }

    /// A failing history for people: what is left of it, what broke, and how to see it again.
    package func explanation(of report: HistoryReport) -> String {
        let small = shrunken()
        var lines = ["seed \(seed) FAILED:"]
        lines += report.violations.prefix(3)
        lines += ["", "shrunken to \(small.workload.plan.count) operations and \(small.faults.count) faults:"]
        lines.append("\(small.workload)")
        lines += small.faults.map(\.description)
        lines += ["", "its violations:"]
        lines += small.report.violations.prefix(3)
        lines += ["", "its last moments:"]
        lines += small.report.trace
        lines.append("run it again with --seed \(seed) --histories 1")
        return lines.joined(separator: "\n")
    }
}
