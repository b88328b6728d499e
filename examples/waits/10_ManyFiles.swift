// SPDX-License-Identifier: Apache-2.0

import Perch

/// Ten thousand files, waited for at the same time, and one summary of them.
let manyFiles = DAG("many_files") { dag in
    let files = (0..<10_000).map { dag.sensor("file_\($0)", .file("/data/in/{{ ds }}/\($0).csv")) }
    dag.empty("summary", after: files)
}
