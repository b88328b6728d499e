// SPDX-License-Identifier: Apache-2.0

import Perch

/// One job for each input, with state and retries of its own; one in ten may fail, and the results are gathered.
let fanOut = DAG("fan_out", params: ["jobs": 20]) { dag in
    let jobs = dag.task("list") { context in Array(0..<(try context.param("jobs", as: Int.self))) }
    let results = dag.map("work", over: jobs, retries: 1) { _, job in
        if job % 10 == 7 { throw NonRetryable("job \(job) cannot be done") }
        return job * job
    }
    dag.tolerate(results, failingPercent: 10)
    dag.task("gather", results.optionalElements()) { _, results in results.compactMap { $0 }.reduce(0, +) }
}
