// SPDX-License-Identifier: Apache-2.0

import Perch

/// Six o'clock in Paris, missed days too: retries with back-off, a clean-up whatever happens, a word when it failed.
let nightly = DAG(
    "nightly", schedule: .cron("0 6 * * *", timeZone: "Europe/Paris"), start: "2026-01-01", catchup: true,
    defaults: TaskOptions(retries: 3, retryDelay: .minutes(5), retryExponentialBackoff: true)
) { dag in
    let table = dag.task("stage") { context in "staged_\(context.ds)" }
    let load = dag.task("load", table) { context, table in
        if context.tryNumber < 2 { throw RetryAfter(.minutes(1), "\(table) is locked") }
    }
    let drop = dag.task("drop", table, after: load) { context, table in context.log.info("dropped \(table)") }
    dag.teardown(drop, of: table)
    dag.add("tell", .bash("echo 'the load of {{ ds }} failed'"), after: load, triggerRule: .oneFailed)
}
