// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Perch

/// DAGs for the tests of `dags test` and `tasks test`.
@main
struct Trials: DAGBundle {
    struct Failure: Error {}

    let dags: [DAG] = [
        DAG("sums", schedule: .cron("* * * * *"), start: "2020-01-01", params: ["by": 2]) { dag in
            let numbers = dag.task("numbers") { _ in [1, 2, 3] }
            let doubled = dag.map("doubled", over: numbers) { context, number in
                number * (try context.param("by", as: Int.self))
            }
            dag.task("sum", doubled) { context, all -> Int in
                context.log.info("adds \(all.count) numbers")
                print("printed by the task")
                return all.reduce(0, +)
            }
        },
        DAG("breaks") { dag in
            let broken = dag.task("broken", retries: 1, retryDelay: .hours(1)) { context -> Int in
                context.log.info("breaks")
                throw Failure()
            }
            dag.task("after", broken) { _, _ in }
        },
        DAG("sleeps") { dag in
            let slept = dag.task("sleep") { context -> String in
                let before = try await context.now
                try await context.sleep(for: .days(30))
                let days = (try await context.now - before).microseconds / 86_400_000_000
                return "\(days) days"
            }
            dag.task("wake", slept) { context, text in context.log.info("slept \(text)") }
        },
        DAG("briefly") { dag in
            dag.task("nap") { context in try await context.sleep(for: .milliseconds(10)) }
        },
        DAG("lands", params: ["folder": "/nowhere"]) { dag in
            let landed = dag.sensor("landed", .file("{{ params.folder }}/in.csv"), timeout: .hours(6))
            dag.task("load", landed) { _, file in file.path }
        },
        DAG("settles", params: ["folder": "/nowhere"]) { dag in
            dag.sensor(
                "settled", .file("{{ params.folder }}/in.csv", stableFor: .hours(1)), timeout: .hours(6))
        },
        DAG("hangs") { dag in
            dag.task("hang") { context in
                context.log.info("hangs")
                pause()
            }
        },
        DAG("meets", params: ["folder": "/nowhere"]) { dag in
            for number in 1...20 {
                dag.sensor("found-\(number)", .file("{{ params.folder }}/\(number).txt"), timeout: .hours(1))
                dag.task("writer-\(number)") { context in
                    try await context.sleep(for: .minutes(number))
                    try "x".write(
                        toFile: "\(try context.param("folder", as: String.self))/\(number).txt", atomically: false,
                        encoding: .utf8)
                }
            }
        },
        DAG("approved") { dag in
            let approval = dag.sensor("approval", .event("orders.approved"))
            dag.task("ship", approval) { _, event in try event.decode(Int.self) }
        },
    ]
}
