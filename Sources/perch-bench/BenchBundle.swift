// SPDX-License-Identifier: Apache-2.0

import Foundation
import Perch

/// The DAGs that are measured. Which one, and how large, stands in the environment of the engine under test.
struct BenchBundle: DAGBundle {
    static let caseVariable = "PERCH_BENCH_CASE"
    static let sizeVariable = "PERCH_BENCH_SIZE"
    static let reportVariable = "PERCH_BENCH_REPORT"
    /// The directory or the server that is waited for.
    static let placeVariable = "PERCH_BENCH_PLACE"
    /// The period of probes, in milliseconds.
    static let periodVariable = "PERCH_BENCH_PERIOD"

    let dags: [DAG]

    init() {
        let environment = ProcessInfo.processInfo.environment
        let size = Int(environment[Self.sizeVariable] ?? "") ?? 0
        let name = environment[Self.caseVariable] ?? ""
        if name == "schedule" {
            let cron = environment[ScheduledRuns.cronVariable] ?? ""
            dags = (0..<size).map { index in
                DAG("schedule_\(index)", schedule: .cron(cron)) { dag in dag.sensor("once", .after(.milliseconds(1))) }
            }
        } else if name == "history" {
            dags = [Self.noops(History.fill, History.tasks), Self.chain(History.chain, History.links)]
        } else if name == Handover.name {
            dags = Handover.dags()
        } else if name == Adoption.name {
            dags = Adoption.dags(size)
        } else if name == Web.name {
            dags = Web.dags()
        } else {
            dags = Self.dag(name, size, environment).map { [$0] } ?? []
        }
    }

    private static func chain(_ id: String, _ size: Int) -> DAG {
        DAG(id) { dag in
            var last: [TaskReference<Void>] = []
            for index in 0..<size { last = [dag.task("link_\(index)", after: last) { _ in }] }
        }
    }

    private static func noops(_ id: String, _ size: Int) -> DAG {
        DAG(id) { dag in
            let list = dag.task("list") { _ in Array(0..<size) }
            dag.map("noop", over: list) { _, _ in }
        }
    }

    private static func dag(_ name: String, _ size: Int, _ environment: [String: String]) -> DAG? {
        let place = environment[placeVariable] ?? ""
        let period = Duration.milliseconds(Int(environment[periodVariable] ?? "") ?? 1_000)
        switch name {
        case "timers-burst":
            let due = Timestamp(microseconds: Int64(environment[TimersBurst.dueVariable] ?? "") ?? 0)
            return DAG(name) { dag in
                let list = dag.task("list") { _ in Array(0..<size) }
                dag.map("sleep", over: list) { context, _ in try await context.sleep(until: due) }
            }
        case "files":
            return DAG(name, maxActiveRuns: 1_000_000) { dag in
                for index in 0..<size { dag.sensor("file_\(index)", .file("\(place)/{{ run_id }}/file_\(index)")) }
            }
        case "http-distinct":
            return DAG(name, maxActiveRuns: 1_000_000) { dag in
                for index in 0..<size {
                    dag.sensor(
                        "http_\(index)",
                        .http(
                            "\(place)/{{ run_id }}/\(index)", every: period, until: .json("$.state", equals: "DONE")))
                }
            }
        case "http-shared":
            return DAG(name, maxActiveRuns: 1_000_000) { dag in
                for index in 0..<size {
                    dag.sensor(
                        "http_\(index)",
                        .http(
                            "\(place)/bench_0/0", every: .milliseconds(1_000 + 10 * index),
                            until: .json("$.state", equals: .string("DONE_\(index)"))))
                }
            }
        case "events":
            return DAG(name, maxActiveRuns: 1_000_000) { dag in
                for index in 0..<size { dag.sensor("event_\(index)", .event("bench", key: "{{ run_id }}/\(index)")) }
            }
        case "timers-hold":
            return DAG(name, maxActiveRuns: 1_000_000) { dag in
                for index in 0..<size { dag.sensor("timer_\(index)", .after(.days(1))) }
            }
        case "sensors":
            return DAG(name) { dag in
                for index in 0..<size { dag.sensor("sensor_\(index)", .after(.milliseconds(1))) }
            }
        case "chain": return chain(name, size)
        case "tasks", "scaling": return noops(name, size)
        case "claim-latency":
            return DAG(name, maxActiveRuns: 1_000_000) { dag in
                dag.task("report") { context in
                    try ReportSocket.send("\(context.runID) \(Monotonic.nanoseconds)")
                }
            }
        case "defer":
            return DAG(name) { dag in
                let list = dag.task("list") { _ in Array(0..<size) }
                dag.map("sleep", over: list) { context, _ in try await context.sleep(for: .days(1)) }
            }
        case "fire-latency":
            return DAG(name) { dag in
                let list = dag.task("list") { _ in Array(0..<size) }
                dag.map("wait", over: list) { context, index in
                    _ = try await context.wait(for: .event("bench", key: "\(index)"))
                    try ReportSocket.send("\(index) \(Monotonic.nanoseconds)")
                }
            }
        case Messages.name: return Messages.dag(size)
        case "soak": return SoakWorld.dag(name, size)
        default: return nil
        }
    }
}
