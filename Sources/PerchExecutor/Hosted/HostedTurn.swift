// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// What one transaction about hosted waits does.
struct HostedTurn: Sendable {
    struct Checkpoint: Sendable {
        var waitID: Int64
        var run: Int64
        var number: Int64
        var value: JSONValue
    }

    var checkpoints: [Checkpoint] = []
    var notes: [HostedNote] = []
    var firings: [Firing] = []
    /// Whether it is looked which waits there are.
    var looks = false
    /// Whether those of dead workers are taken, too.
    var takesOrphans = false
    var claimLimit = 0

    var isEmpty: Bool { !looks && checkpoints.isEmpty && notes.isEmpty && firings.isEmpty }
}

/// What its transaction answered.
struct HostedOutcome: Sendable {
    /// For each checkpoint: whether it was stored.
    var stored: [Bool] = []
    var claimed: [HostedWait] = []
    /// The waits that this worker hosts now; nil where nobody looked.
    var own: [Int64]?
}

extension MetastoreStore {
    func commit(_ turn: HostedTurn, worker: Int64) async throws -> HostedOutcome {
        try await metastore.write { transaction in
            var outcome = HostedOutcome()
            outcome.stored = try transaction.storeHostedProgress(
                turn.checkpoints.map { ($0.waitID, $0.value) }, worker: worker)
            try transaction.noteHosted(turn.notes, worker: worker)
            if !turn.firings.isEmpty { _ = try transaction.fireHosted(turn.firings, worker: worker) }
            if turn.looks {
                outcome.claimed = try transaction.claimHosted(
                    worker: worker, bundle: terms.bundle, orphans: turn.takesOrphans, limit: turn.claimLimit)
                outcome.own = try transaction.hostedWaits(of: worker)
            }
            return outcome
        }
    }

    func releaseHosted(worker: Int64) async throws {
        try await metastore.write { try $0.releaseHosted(worker: worker) }
    }
}
