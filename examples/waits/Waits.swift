// SPDX-License-Identifier: Apache-2.0

import Perch

/// Ten workflows that wait, each in a file of its own.
@main
struct Waits: DAGBundle {
    let dags = [
        stableFile, httpJob, paymentOrReminder, release, firstOfThree, fanOut, hourly, afterBoth, nightly, manyFiles,
    ]
}
