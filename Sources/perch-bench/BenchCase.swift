// SPDX-License-Identifier: Apache-2.0

/// One thing that is measured.
struct BenchCase: Sendable {
    var name: String
    /// The size of DESIGN where it can be had in a minute or two.
    var size: Int
    var summary: String
    var measure: @Sendable (_ place: Place, _ size: Int) async throws -> [Metric]

    static let all: [BenchCase] = [
        BenchCase(
            name: "timers-hold", size: 1_000_000, summary: "timer waits held by one standalone",
            measure: TimersHold.measure),
        BenchCase(
            name: "reload", size: 1_000_000, summary: "timer waits that are armed again after a kill",
            measure: Reload.measure),
        BenchCase(
            name: "timers-burst", size: 100_000, summary: "sleeping tasks due at one second",
            measure: TimersBurst.measure),
        BenchCase(
            name: "files", size: 100_000, summary: "file waits in a hundred directories", measure: Files.measure),
        BenchCase(
            name: "http-distinct", size: 10_000, summary: "HTTP waits on distinct addresses of one host",
            measure: HTTPDistinct.measure),
        BenchCase(
            name: "http-shared", size: 10_000, summary: "HTTP waits on one address", measure: HTTPShared.measure),
        BenchCase(
            name: "events", size: 100_000, summary: "events through the socket, each waking one wait",
            measure: Events.measure),
        BenchCase(
            name: "fire-latency", size: 1_000, summary: "events, one after another, each waking a waiting task",
            measure: FireLatency.measure),
        BenchCase(
            name: "claim-latency", size: 200, summary: "tasks, one after another, claimed by a worker of its own",
            measure: ClaimLatency.measure),
        BenchCase(
            name: Handover.name, size: 500, summary: "claimed tasks, one after another, beside 200 in the process",
            measure: Handover.measure),
        BenchCase(
            name: Messages.name, size: 200_000, summary: "lines of a log, each a message from a bundle process",
            measure: Messages.measure),
        BenchCase(
            name: "adoption", size: 100_000, summary: "waits whose triggerer was killed, or stands still",
            measure: Adoption.measure),
        BenchCase(
            name: "scaling", size: 40_000,
            summary: "no-op tasks with one scheduler and worker, and with two schedulers and four workers",
            measure: Scaling.measure),
        BenchCase(
            name: "defer", size: 100_000,
            summary: "tasks that give up their worker, at the intake and through a bundle",
            measure: Defer.measure),
        BenchCase(
            name: "tasks", size: 50_000, summary: "no-op tasks of one run through a bundle process",
            measure: Tasks.measure),
        BenchCase(name: "chain", size: 1_000, summary: "no-op tasks one after another", measure: Chain.measure),
        BenchCase(
            name: "history", size: 100_000, summary: "no-op tasks where so many have run before",
            measure: History.measure),
        BenchCase(
            name: "sensors", size: 100_000, summary: "pure sensors of one run, due at once", measure: Sensors.measure),
        BenchCase(
            name: "schedule", size: 10_000, summary: "DAGs with cron schedules, due at one minute",
            measure: ScheduledRuns.measure),
        BenchCase(
            name: "soak", size: 1_000_000, summary: "waits of every kind, one after another, in one standalone",
            measure: Soak.measure),
        BenchCase(
            name: Web.name, size: 1_000_000,
            summary: "pages, reads and events over HTTP, beside so many waits, 1,000 DAGs and a tenth as many runs",
            measure: Web.measure),
        BenchCase(name: "idle", size: 1, summary: "a standalone that has nothing to do", measure: Idle.measure),
    ]
}
