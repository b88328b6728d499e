// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// A version of a DAG: the structure that runs have started on. Versions never change.
public struct DAGVersionRow: Sendable, Hashable {
    public var versionID: Int64
    public var dagID: String
    /// From 1.
    public var number: Int
    public var bundleVersion: String
    /// A hash of the definition: equal hashes are equal structures.
    public var contentHash: String
    public var createdAt: Timestamp
    /// How many runs have started on it that are still there.
    public var runs: Int
}

/// A version of a bundle that runs go on with.
public struct PinnedBundle: Sendable, Hashable {
    public var bundleVersion: String
    /// How many runs that have not ended began with it.
    public var runs: Int
    /// The first of them.
    public var dagID: String
    public var runID: String
}

extension Snapshot {
    /// The versions of a bundle that unfinished runs of pinned DAGs go on with, by name.
    public func pinnedBundles(of bundle: String = WorkerTerms.defaultBundle) throws -> [PinnedBundle] {
        let found = try rows(
            """
            SELECT r.bundle_version, COUNT(*), MIN(r.run_key) FROM dag_run r JOIN dag d ON d.dag_id = r.dag_id
            WHERE r.bundle_version IS NOT NULL AND r.state = 'running' AND d.bundle = :1
            GROUP BY r.bundle_version ORDER BY r.bundle_version
            """, bundle
        ) { ($0.text(0), $0.int(1), $0.int64(2)) }
        return try found.map { version, count, key in
            let run = try first("SELECT dag_id, run_id FROM dag_run WHERE run_key = :1", key) {
                ($0.text(0), $0.text(1))
            }
            return PinnedBundle(
                bundleVersion: version, runs: count, dagID: run?.0 ?? "", runID: run?.1 ?? "")
        }
    }

    /// Has the definition at hand on which the DAG's next run starts. Of a large DAG that takes seconds, for which the
    /// transaction that creates the run would hold up all others.
    public func prepareRun(ofDAG dagID: String) throws {
        if let row = try dag(dagID) { _ = try version(row.versionID) }
    }

    /// The versions of a DAG, the newest first.
    public func versions(dagID: String) throws -> [DAGVersionRow] {
        let runs = try rows(
            "SELECT version_id, COUNT(*) FROM dag_run WHERE dag_id = :1 GROUP BY version_id", dagID
        ) { ($0.int64(0), $0.int(1)) }
        let counts = Dictionary(runs) { $0 + $1 }
        return try rows(
            """
            SELECT version_id, dag_id, version_number, bundle_version, content_hash, created_at FROM dag_version
            WHERE dag_id = :1 ORDER BY version_number DESC
            """, dagID
        ) { row in
            DAGVersionRow(
                versionID: row.int64(0), dagID: row.text(1), number: row.int(2), bundleVersion: row.text(3),
                contentHash: row.text(4), createdAt: row.time(5), runs: counts[row.int64(0)] ?? 0)
        }
    }
}
