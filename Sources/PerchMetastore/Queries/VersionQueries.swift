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

extension Snapshot {
    /// The text that a version of a DAG was read from; nil where there is none.
    package func source(ofVersion versionID: Int64) throws -> VersionSource? {
        try first(
            """
            SELECT v.source_path, s.content FROM dag_version v JOIN dag_source s ON s.content_hash = v.source_hash
            WHERE v.version_id = :1
            """, versionID
        ) { VersionSource(path: $0.optionalText(0) ?? "", text: $0.text(1)) }
    }
}

extension Snapshot {
    /// The DAGs that the text of a version's file declares, in whatever versions.
    package func dagIDs(inSourceOf versionID: Int64) throws -> [String] {
        try rows(
            """
            SELECT DISTINCT o.dag_id FROM dag_version v JOIN dag_version o ON o.source_hash = v.source_hash
            WHERE v.version_id = :1 ORDER BY o.dag_id
            """, versionID
        ) { $0.text(0) }
    }
}

/// A version with how much it has and has changed.
package struct DescribedVersion: Sendable, Hashable {
    package var row: DAGVersionRow
    package var tasks: Int
    /// How many things differ from the version before; nil: there is none before.
    package var changes: Int?
    /// Whether the next run starts on it.
    package var isNewest: Bool
}

/// What differs between two versions of a DAG.
package struct VersionDifference: Sendable, Hashable {
    package var older: Int
    package var newer: Int
    package var changes: [DAGDifference.Change]
    /// What differs between the texts that they were read from; nil where one of them has none.
    package var source: SourceDifference?
}

extension Snapshot {
    /// A version of a DAG that is there; nil means the one on which its next run starts.
    package func knownVersion(_ dagID: String, _ number: Int?) throws -> DAGVersionRow {
        let row = try knownDAG(dagID)
        let versions = try versions(dagID: dagID)
        let wanted = number ?? row.versionNumber
        if let version = versions.first(where: { $0.number == wanted }) { return version }
        let numbers = versions.prefix(10).map { "\($0.number)" }.joined(separator: ", ")
        throw PerchError(
            .notFound,
            "DAG '\(dagID)' has no version \(wanted); there are \(numbers)\(versions.count > 10 ? ", …" : "")")
    }

    /// The versions of a DAG with what they have changed, the newest first; only those before a number, at most so many.
    package func describedVersions(
        of dagID: String, before number: Int = .max, limit: Int = .max
    ) throws -> [DescribedVersion] {
        let dag = try knownDAG(dagID)
        let versions = try versions(dagID: dagID)
        return try versions.enumerated().filter { $0.element.number < number }.prefix(limit).map { place, row in
            let definition = try definition(ofVersion: row.versionID)
            let before = try versions.dropFirst(place + 1).first.map { try self.definition(ofVersion: $0.versionID) }
            return DescribedVersion(
                row: row, tasks: definition.tasks.count,
                changes: before.map { DAGDifference(from: $0, to: definition).changes.count },
                isNewest: row.versionID == dag.versionID)
        }
    }

    /// What differs between two versions of a DAG. `to` nil means the newest, `from` nil the one before `to`.
    /// - Throws: `notFound` where one of them is not there, or there is none to compare with.
    package func difference(ofDAG dagID: String, from: Int?, to: Int?) throws -> VersionDifference {
        let newer = try knownVersion(dagID, to)
        if from == nil, newer.number == 1 {
            throw PerchError(.notFound, "DAG '\(dagID)' has one version: there is nothing to compare it with")
        }
        let older = try knownVersion(dagID, from ?? newer.number - 1)
        let difference = DAGDifference(
            from: try definition(ofVersion: older.versionID), to: try definition(ofVersion: newer.versionID))
        var sources: SourceDifference?
        if let old = try source(ofVersion: older.versionID), let new = try source(ofVersion: newer.versionID) {
            sources = SourceDifference(from: old, to: new)
        }
        return VersionDifference(
            older: older.number, newer: newer.number, changes: difference.changes, source: sources)
    }
}
