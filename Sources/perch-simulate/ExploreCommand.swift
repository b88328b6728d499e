// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchSimulation

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

    @Flag(help: "List the scenarios.")
    var list = false

    mutating func validate() throws {
        let names = Scenario.all.map(\.name)
        if let unknown = scenarios.first(where: { !names.contains($0) }) {
            throw ValidationError("there is no scenario '\(unknown)'; there are \(names.joined(separator: ", "))")
        }
    }

    mutating func run() throws {
        if list {
            for scenario in Scenario.all { print("\(scenario.name)  \(scenario.summary)") }
            return
        }
        var failures = 0
        var points = 0
        for scenario in Scenario.all where scenarios.isEmpty || scenarios.contains(scenario.name) {
            let report = Explorer(scenario: scenario, betweenSteps: steps).run()
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
