// SPDX-License-Identifier: Apache-2.0

import Perch

/// The stock executable: every command, and no DAGs of its own but those of YAML files. It serves the homes of other
/// bundles, and `init` makes new projects with it.
@main
struct Stock: DAGBundle {
    static let readsDAGFolder = true
    let dags: [DAG] = []
}
