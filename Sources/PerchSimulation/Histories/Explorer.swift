// SPDX-License-Identifier: Apache-2.0

internal import PerchExecutor

/// Crashes a small scenario at every commit boundary in turn, lets it recover, and compares what it comes to.
package struct Explorer {
    package struct Report: Sendable {
        /// How many commits the scenario has without a crash.
        package var boundaries = 0
        /// How many crashes were tried.
        package var points = 0
        package var failures: [String] = []
    }

    /// How the engine dies at a commit.
    package enum Way: String, CaseIterable, Sendable {
        case killBefore, killAfter, powerLossBefore, powerLossAfter

        var isBefore: Bool { self == .killBefore || self == .powerLossBefore }
        var death: Simulation.Death { self == .killBefore || self == .killAfter ? .kill : .powerLoss }
    }

    private let scenario: Scenario
    private let betweenSteps: Bool

    /// - Parameter betweenSteps: Whether the engine is killed also between any two steps of the world.
    package init(scenario: Scenario, betweenSteps: Bool = false) {
        self.scenario = scenario
        self.betweenSteps = betweenSteps
    }

    /// Tries every crash.
    package func run() -> Report {
        var report = Report()
        let calm = trial { _ in }
        report.boundaries = calm.commitsBeforeQuiet
        guard calm.violations.isEmpty else {
            report.failures = calm.violations.map { "without a crash: \($0)" }
            return report
        }
        for boundary in 1...max(1, report.boundaries) {
            for way in Way.allCases {
                report.points += 1
                let tried = trial { $0.simulation.dieAtCommit(boundary, isBefore: way.isBefore, way.death) }
                judge(tried, against: calm, "\(way) at commit \(boundary)", &report)
            }
        }
        guard betweenSteps else { return report }
        for step in 1...max(1, calm.stepsBeforeQuiet) {
            report.points += 1
            judge(trial(killAtStep: step) { _ in }, against: calm, "kill after step \(step)", &report)
        }
        return report
    }

    /// What happens where the engine dies at one commit, line by line.
    package func trace(boundary: Int, _ way: Way, _ onTrace: @escaping (String) -> Void) {
        let tried = trial {
            $0.onTrace = onTrace
            $0.simulation.dieAtCommit(boundary, isBefore: way.isBefore, way.death)
        }
        for line in tried.violations + tried.results { onTrace(line) }
    }

    private func judge(_ tried: Trial, against calm: Trial, _ what: String, _ report: inout Report) {
        if let violation = tried.violations.first {
            report.failures.append("\(what): \(violation)")
        } else if tried.results != calm.results, !scenario.hasRaces {
            report.failures.append("\(what): it came to \(tried.results), and without a crash to \(calm.results)")
        }
    }

    private func trial(killAtStep step: Int? = nil, _ arm: (Trial) -> Void) -> Trial {
        var settings = Simulation.Settings()
        settings.seed = 7
        settings.hasStandby = scenario.hasStandby
        settings.executor.slots = 4
        let trial = Trial(scenario.workload, settings: settings)
        trial.killAtStep = step
        arm(trial)
        trial.run(faults: scenario.faults)
        return trial
    }
}
