// SPDX-License-Identifier: Apache-2.0

import Perch

/// A file lands, work is submitted to a server and waited for, an event approves, a report is written.
///
/// ```
/// swift run quickstart standalone &
/// swift run quickstart dags trigger orders --run-id first
/// swift run quickstart deferred list                                 # waits for the file
/// mkdir -p /tmp/perch-quickstart && echo 3 apples > /tmp/perch-quickstart/first.txt
/// swift run quickstart events emit orders.approved --key first       # may also come earlier
/// swift run quickstart runs details orders first
/// ```
@main
struct Quickstart: DAGBundle {
    /// Made in the process that runs the tasks' code, each time the engine starts one: so the server is there again
    /// after every crash, and the HTTP wait, which outlives them, finds it.
    init() {
        JobServer.shared.start()
    }

    let dags: [DAG] = [
        DAG("orders", params: ["folder": "/tmp/perch-quickstart"], description: "The waits of a small business") {
            dag in
            let landed = dag.sensor(
                "landed", .file("{{ params.folder }}/{{ run_id }}.txt", stableFor: .seconds(1)), timeout: .hours(6))

            let priced = dag.task("price", after: landed) { context -> Quote in
                // A step is done once: a resumed or restarted task takes its result from the journal.
                let job = try await context.step("submit") {
                    try JobServer.shared.submit(key: context.idempotencyKey)
                }
                context.log.info("submitted \(job.url)")
                // Holds nothing while it waits: no worker, no thread. The engine asks, and the answer wakes the task.
                let answer = try await context.wait(
                    for: .http(job.url, every: .seconds(1), until: .json("$.state", in: ["DONE", "FAILED"])),
                    timeout: .minutes(10))
                return try answer.decode(Quote.self)
            }

            let approved = dag.sensor(
                "approved", .event("orders.approved", key: "{{ run_id }}"), after: landed, timeout: .hours(72))

            dag.task("report", priced, after: approved) { context, quote in
                let folder = try context.param("folder", as: String.self)
                try await context.step("write") {
                    try Report(run: context.runID, quote: quote).write(to: "\(folder)/\(context.runID).report")
                }
                context.log.info("\(context.runID) costs \(quote.price) cents")
            }
        },

        // Started from outside: a run for each event, which finds it among its params.
        DAG("audit", schedule: .event("orders.approved"), description: "Notes what was approved") { dag in
            dag.task("note") { context -> String in
                guard let event = try context.startingEvent() else { return "started by hand" }
                return "\(event.key ?? "something") was approved at \(event.receivedAt)"
            }
        },
    ]
}
