// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension TriggererState {
    private static let mostProbesPerCommit = 500

    /// The next group to commit, where one is due and none is under way.
    mutating func nextCommit(owner: Int64, now: Int64) -> CommitGroup? {
        guard !isCommitting, now >= fires.retryAt else { return nil }
        let probesDue = probes.storeAt.map { $0 <= now } ?? false
        // Notes that were read are of no use any more; while loading they are left for later.
        let forgets = lastNote > forgottenNote && loadingSince == nil
        // While shares are worked out, what is released would come back in the answer; and events that are being stored
        // end waits that are this one's.
        let releases = !shards.leaving.isEmpty && !lease.isRenewing && !pump.isStoring
        guard fires.hasWaiting || !progress.isEmpty || probesDue || forgets || releases else { return nil }
        isCommitting = true
        let count = configuration.firesPerCommit
        inFlightProgress = progress.keys.sorted().prefix(count).map { ($0, progress.removeValue(forKey: $0) ?? .null) }
        let firings = fires.take()
        return CommitGroup(
            generation: generation, owner: owner, firings: firings,
            noted: lastNote, progress: inFlightProgress, probes: probes.due(at: now, limit: Self.mostProbesPerCommit),
            forgetNotesUpTo: forgets ? lastNote : nil,
            releases: releases && !fires.hasWaiting ? shards.beginRelease() : ShardSet())
    }

    /// The group is durable; `results` is what became of each fire.
    mutating func committed(_ group: CommitGroup, _ results: [FireResult], now: Int64) {
        guard group.generation == generation else { return }
        isCommitting = false
        inFlightProgress = []
        fires.committed()
        lease.proved()
        shards.released()
        if let seq = group.forgetNotesUpTo { forgottenNote = max(forgottenNote, seq) }
        if isReadingWaits {
            // What is being read may still show them.
            // One whose event was another's stands: the note about it may be in what is being read.
            for (firing, result) in zip(group.firings, results)
            where result == .won || result == .lost && firing.outcome != .timeout {
                firedMeanwhile.insert(firing.waitID)
            }
        }
        for (firing, result) in zip(group.firings, results) where firing.claims {
            // A claim that was stored as broken has taken nothing.
            let isFree = if case .event = firing.outcome { result == .lost } else { true }
            commands.append(.settled(waitID: firing.waitID, isFree: isFree))
            if result == .taken { lostClaim(firing.waitID, now: now) } else { claimants[firing.waitID] = nil }
        }
        let winners = results.count { $0 == .won }
        counters.fired += winners
        counters.lostRaces += results.count - winners
    }

    /// The group is not stored. A conflict means that the waits are another's now.
    mutating func commitFailed(_ group: CommitGroup, _ error: any Error, now: Int64) {
        guard group.generation == generation else { return }
        if let refusal = error as? PerchError, refusal.code == .conflict {
            leaseLost(now: now)
            return
        }
        isCommitting = false
        for (waitID, value) in inFlightProgress where progress[waitID] == nil && table[waitID] != nil {
            progress[waitID] = value
        }
        inFlightProgress = []
        shards.releaseFailed()
        if let firing = fires.failed(error, at: now) { counters.setAside.append("wait \(firing.waitID): \(error)") }
    }
}
