// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// What endpoints and pages do in the same way.
extension Transaction {
    /// Creates a run of a DAG that the current bundle has.
    /// - Throws: `PerchError`: `notFound` for a DAG that is not there any more, `invalid` for wrong params or a wrong id, `conflict`
    ///   where the run is there already.
    func startRun(_ request: RunRequest) throws -> RunRow {
        guard try knownDAG(request.dagID).isActive else {
            throw PerchError(.notFound, "the DAG '\(request.dagID)' is not in the current bundle any more")
        }
        return try createRun(request)
    }

    /// Pauses a DAG, or lets it go on.
    func pause(_ dagID: String, _ isPaused: Bool) throws -> DAGRow {
        let row = try knownDAG(dagID)
        if row.isPaused != isPaused { try setPaused(row.dagID, isPaused) }
        return try knownDAG(dagID)
    }

    /// Ends a run that has not ended.
    /// - Throws: `PerchError` (`conflict`) where it has.
    func endRun(_ run: RunRow, by name: String) throws {
        guard try cancelRun(dagID: run.dagID, runID: run.runID, by: name) else {
            throw PerchError(.conflict, "the run '\(run.runID)' has ended already: \(run.state.rawValue)")
        }
    }
}

extension Snapshot {
    /// A run that is there.
    func knownRun(_ dagID: String, _ runID: String) throws -> RunRow {
        _ = try knownDAG(dagID)
        if let run = try run(dagID: dagID, runID: runID) { return run }
        throw PerchError(.notFound, "the DAG '\(dagID.shown())' has no run '\(runID.shown())'")
    }
}
