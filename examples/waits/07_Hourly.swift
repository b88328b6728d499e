// SPDX-License-Identifier: Apache-2.0

import Perch

/// Twelve times a step and an hour's sleep, in a plain loop.
let hourly = DAG("hourly") { dag in
    dag.task("measure") { context in
        for hour in 1...12 {
            try await context.step("measure") { context.log.info("measurement \(hour)") }
            try await context.sleep(for: .hours(1))
        }
    }
}
