// SPDX-License-Identifier: Apache-2.0

import Perch

/// The stock executable: every command, and no DAGs of its own. It serves the homes of other bundles, and `init` makes
/// new projects with it.
@main
struct Stock: DAGBundle {
    let dags: [DAG] = []
}
