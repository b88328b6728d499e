// SPDX-License-Identifier: Apache-2.0

extension Snapshot {
    /// How many waits of a kind there are, by DAG. It looks at all waits.
    package func waitCounts(ofKind kind: String) throws -> [String: Int] {
        let counts = try rows(
            """
            SELECT r.dag_id, COUNT(*) FROM wait w JOIN task_instance t ON t.ti_id = w.ti_id
            JOIN dag_run r ON r.run_key = t.run_key WHERE w.kind = :1 GROUP BY r.dag_id
            """, kind
        ) { ($0.text(0), $0.int(1)) }
        return Dictionary(counts) { $0 + $1 }
    }
}
