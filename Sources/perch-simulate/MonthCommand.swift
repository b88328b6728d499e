// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchSimulation

/// A virtual month of many DAGs on cron schedules.
struct MonthCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "month",
        abstract: "Runs a virtual month of DAGs with daily cron schedules and says how long it took.")

    @Option(help: "How many DAGs.")
    var dags = 1_000

    @Option(help: "How many days.")
    var days = 30

    mutating func validate() throws {
        guard dags > 0, days > 0 else { throw ValidationError("--dags and --days are numbers from 1") }
    }

    mutating func run() throws {
        let clock = ContinuousClock()
        let begun = clock.now
        let month = try CronMonth(dags: dags, days: days).run()
        let seconds =
            Double((clock.now - begun).components.seconds)
            + Double((clock.now - begun).components.attoseconds) / 1e18
        print(
            """
            \(dags) DAGs, \(days) days: \(month.runs) runs created, \(month.succeeded) succeeded, \
            \(month.steps) steps, \(Int(seconds * 1_000)) ms
            """)
        guard month.succeeded == dags * days else {
            print("expected \(dags * days) runs that succeed")
            throw ExitCode(1)
        }
    }
}
