// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Perch

/// Looks at a number once an hour.
struct Hourly: AsyncTrigger {
    let looks: Int

    func run(_ context: TriggerContext) async throws -> Int {
        for look in 1..<looks {
            context.log.info("look \(look)")
            try await context.sleep(for: .hours(1))
        }
        return looks
    }
}

/// Looks for a file.
struct Look: AsyncTrigger {
    let path: String

    func run(_ context: TriggerContext) async throws -> String {
        var looks = try context.checkpoint(as: Int.self) ?? 0
        while true {
            if let text = try? String(contentsOfFile: path, encoding: .utf8) { return "\(text) after \(looks > 0)" }
            looks += 1
            try await context.checkpoint(looks)
            context.log.info("looked \(looks) times")
            try await context.sleep(for: .milliseconds(50))
        }
    }
}

/// Waits for one thing under a name of its own.
struct Shipped: Trigger {
    let order: String
    var body: some Trigger<ExternalEvent> { EventTrigger(name: "orders.shipped", key: order) }
    func event(from event: ExternalEvent) -> String { "\(event.key ?? "") shipped" }
}

/// Every leap day at noon.
struct LeapDays: Timetable {
    let summary = "every leap day at noon"

    func next(after instant: Timestamp) throws -> Timestamp? {
        try (2000...2400).lazy.filter { $0 % 4 == 0 && ($0 % 100 != 0 || $0 % 400 == 0) }
            .map { try Timestamp(parsing: "\($0)-02-29T12:00:00Z") }.first { $0 > instant }
    }
}

/// DAGs for the tests of `dags test` and `tasks test`.
@main
struct Trials: DAGBundle {
    struct Failure: Error {}

    let triggers: [any AsyncTrigger.Type] = [Hourly.self]

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
        DAG("groups") { dag in
            let numbers = dag.task("numbers") { _ in [1, 2] }
            let given = dag.mapGroup("each", over: numbers) { group, number in
                let doubled = group.task("doubled", number) { _, number in number * 2 }
                return group.task("plus", number, doubled) { _, number, doubled in number + doubled }
            }
            dag.task("all", given) { _, given in given }
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
        DAG("own", params: ["folder": "/nowhere"]) { dag in
            let found = dag.sensor("found", Look(path: "{{ params.folder }}/go"))
            let shipped = dag.sensor("shipped", Shipped(order: "7"))
            dag.task("tell", found, shipped) { _, found, shipped in "\(found), \(shipped)" }
        },
        DAG("looks") { dag in
            let looked = dag.sensor("looked", Hourly(looks: 4))
            dag.task("again", looked) { context, looks in looks + (try await context.wait(for: Hourly(looks: 2))) }
        },
        DAG("leaps", schedule: .timetable(LeapDays())) { dag in
            dag.task("leap") { context in context.dataIntervalStart.description }
        },
        DAG("traced", params: ["url": "http://127.0.0.1:1"]) { dag in
            let first = dag.task("work") { context -> [String] in
                let before = try await context.step("first") { context.traceparent ?? "none" }
                let url = try context.param("url", as: String.self)
                try await context.wait(for: .http(url, every: .milliseconds(200)))
                let after = try await context.step("second") { context.traceparent ?? "none" }
                return [before, after]
            }
            dag.add("shell", .bash("echo in $TRACEPARENT"), after: first)
        },
        DAG("detached", params: ["folder": "/nowhere", "code": 0]) { dag in
            dag.add(
                "long",
                .bash(
                    "echo begun as $WHO; while [ ! -e go ]; do sleep 0.05; done; echo over; exit {{ params.code }}",
                    detachedIn: "{{ params.folder }}", environment: ["WHO": "{{ run_id }}"], killGrace: .seconds(1)))
        },
        DAG("secretive") { dag in
            dag.sensor("landed", .file("{{ var.value.folder }}/go"), timeout: .hours(6))
            dag.task("tells") { context in
                let orders = try await context.connection("orders")
                context.log.info("as \(orders.login ?? "") with \(orders.password ?? "")")
                print("printed \(orders.password ?? "")")
                context.log.info("token \(try await context.variable("api_token"))")
                context.log.info("other \(try await context.connection("elsewhere").password ?? "")")
                context.log.info(try await context.render("{{ conn.orders.host }} in {{ var.value.folder }}"))
                throw PerchError(.invalid, "refused with \(orders.password ?? "")")
            }
            dag.add(
                "shell",
                .bash("echo as $PW; env | grep -c SECRETS__KEY", environment: ["PW": "{{ conn.orders.password }}"]))
            dag.add("argument", .bash("echo {{ conn.orders.password }}"))
        },
        DAG("approved") { dag in
            let approval = dag.sensor("approval", .event("orders.approved"))
            dag.task("ship", approval) { _, event in try event.decode(Int.self) }
        },
        DAG("renders", params: ["region": "eu", "table": "o'clock"], description: "Fields with templates") { dag in
            let files = dag.task("files") { _ in ["x", "why"] }
            dag.sensor("landed", .file("/in/{{ params.region | upper }}/{{ ds }}.csv", minimumSize: 5))
            dag.sensor("each", .event("orders.paid", key: "{{ element }}-{{ dag_run.run_id }}"), over: files)
            dag.add(
                "load",
                .bash(
                    "echo {{ params.table | shellquote }} {{ dag.description }} {{ test_mode }}",
                    environment: ["DAY": "{{ ds_nodash }}", "PLAIN": "x"]))
            dag.add("wrong", .bash("echo {{ params.absent }} {{ uuid() }}", workingDirectory: "/in/{{ ds }}"))
        },
    ]
}
