// SPDX-License-Identifier: Apache-2.0

import Perch

/// Once a day, when that day's run of another DAG has succeeded and an event says that the market is closed.
let afterBoth = DAG("after_both", schedule: .cron("0 6 * * *", timeZone: "Europe/Paris"), start: "2026-01-01") { dag in
    let loaded = dag.sensor("loaded", .run(of: "nightly"))
    let closed = dag.sensor("closed", .event("market.closed", key: "{{ ds }}"), timeout: .hours(20))
    dag.task("settle", after: loaded, closed) { context in "settled \(context.ds)" }
}
