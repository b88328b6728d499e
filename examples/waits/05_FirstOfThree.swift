// SPDX-License-Identifier: Apache-2.0

import Perch

/// Whatever comes first, a file, an event or two hours, decides; the others are waited for no more.
let firstOfThree = DAG("first_of_three") { dag in
    dag.task("race") { context in
        let (file, event, _) = try await context.wait(
            forAny: .file("/data/in/{{ ds }}.csv"), .event("data.ready", key: "{{ ds }}"), .after(.hours(2)))
        return file?.path ?? event?.eventID ?? "nothing came"
    }
}
