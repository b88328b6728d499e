// SPDX-License-Identifier: Apache-2.0

import Perch

/// A bundle with mistakes in its declarations, which the engine has to refuse.
@main
struct Faulty: DAGBundle {
    let dags: [DAG] = [
        DAG("cron", schedule: .cron("61 * * * *", timeZone: "Europe/Nowhere")) { dag in
            dag.task("a") { _ in }
            dag.task("a") { _ in }
        },
        DAG("twice") { dag in dag.task("b c") { _ in } },
        DAG("twice") { dag in dag.add("tell", .bash("echo {{ nothing }}")) },
    ]
}
