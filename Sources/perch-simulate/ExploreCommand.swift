// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Dispatch
internal import PerchSimulation
internal import Synchronization

/// Crashes every scenario at every commit.
struct ExploreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explore",
        abstract:
            "Crashes each small scenario at every commit boundary, recovers, and compares with the run without a crash."
    )

    @Argument(help: "The scenarios; none: all.")
    var scenarios: [String] = []

    @Flag(help: "Crash also between any two steps, not only at commits.")
    var steps = false

    @Option(help: "Print what happens where the engine dies at this commit, and nothing else.")
    var at: Int?

    @Option(help: "How it dies there: \(Explorer.Way.allCases.map(\.rawValue).joined(separator: ", ")).")
    var way = "killAfter"

    @Flag(help: "List the scenarios.")
    var list = false

    mutating func validate() throws {
        guard Explorer.Way(rawValue: way) != nil else {
            throw ValidationError(
                "there is no way '\(way)'; there are \(Explorer.Way.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        let names = Scenario.all.map(\.name)
        if let unknown = scenarios.first(where: { !names.contains($0) }) {
            throw ValidationError("there is no scenario '\(unknown)'; there are \(names.joined(separator: ", "))")
        }
    }

    mutating func run() throws {
        if let at, let way = Explorer.Way(rawValue: way) {
            for scenario in Scenario.all where scenarios.contains(scenario.name) {
                Explorer(scenario: scenario).trace(boundary: at, way) { print($0) }
            }
            return
        }
        if list {
            for scenario in Scenario.all { print("\(scenario.name)  \(scenario.summary)") }
            return
        }
        let chosen = Scenario.all.filter { scenarios.isEmpty || scenarios.contains($0.name) }
        let betweenSteps = steps
        let reports = Mutex<[Int: Explorer.Report]>([:])
        DispatchQueue.concurrentPerform(iterations: chosen.count) { index in
            let report = Explorer(scenario: chosen[index], betweenSteps: betweenSteps).run()
            reports.withLock { $0[index] = report }
        }
        var failures = 0
        var points = 0
        for (index, scenario) in chosen.enumerated() {
            guard let report = reports.withLock({ $0[index] }) else { continue }
            points += report.points
            print(
                "\(scenario.name): \(report.boundaries) commit boundaries, \(report.points) crashes, "
                    + (report.failures.isEmpty ? "all recovered" : "\(report.failures.count) FAILED"))
            for failure in report.failures.prefix(3) { print("  \(failure)") }
            failures += report.failures.count
        }
        print("\(points) crashes in all, \(failures) failed")
        if failures > 0 { throw ExitCode(1) }
    }
}
