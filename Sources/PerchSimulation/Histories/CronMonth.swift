// SPDX-License-Identifier: Apache-2.0

internal import PerchExecutor
internal import PerchMetastore
internal import PerchSDK
internal import PerchScheduler
internal import PerchTriggerer

/// A virtual month of many DAGs on daily cron schedules, without faults: how fast time passes where little happens.
package struct CronMonth {
    package struct Outcome: Sendable {
        package var runs = 0
        package var succeeded = 0
        package var steps = 0
    }

    private let dags: Int
    private let days: Int

    /// So many DAGs, each with one task, each once a day at a minute of its own.
    package init(dags: Int, days: Int) {
        self.dags = dags
        self.days = days
    }

    /// Runs the month.
    package func run() throws -> Outcome {
        var settings = Simulation.Settings()
        settings.latency = .none
        settings.executor.slots = 64
        // Where nothing is ever lost, nobody has to look by himself often: a month of looks would hide the month of runs.
        settings.scheduler.slowPoll = .seconds(3_600)
        settings.triggerer.slowPoll = .seconds(3_600)
        settings.triggerer.lease = .seconds(7_200)
        settings.triggerer.renewEvery = .seconds(2_400)
        settings.executor.pollPeriod = .seconds(3_600)
        // Half a minute before midnight: the first day is whole.
        settings.start = Timestamp(microseconds: 1_767_225_570_000_000)
        let definitions = (0..<dags).map { number in
            DAG("dag\(number)", schedule: .cron("\(number % 60) \(number / 60 % 24) * * *")) { dag in
                dag.task("work") { _ in number }
            }
        }
        let world = World(seed: 1, now: settings.start.microseconds)
        let simulation = Simulation(settings, world: world, dags: definitions)
        simulation.start()
        simulation.run(until: Int64(days) * 86_400_000_000 + 10_000_000)
        var outcome = Outcome()
        try simulation.look { connection in
            try connection.query(
                "SELECT COUNT(*), SUM(CASE WHEN state = 'success' THEN 1 ELSE 0 END) FROM dag_run", []
            ) { row in
                outcome.runs = row.int(0)
                outcome.succeeded = row.int(1)
            }
        }
        outcome.steps = world.steps
        simulation.end()
        return outcome
    }
}
