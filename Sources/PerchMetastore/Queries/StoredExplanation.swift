// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// What the metastore has to say about a wait: what its triggerer stored last, and what does not depend on that.
public struct StoredExplanation: Sendable {
    public let wait: WaitRow
    public let explanation: WaitExplanation
    /// When the triggerer stored it; nil where it never did.
    public let asOf: Timestamp?
    /// The triggerer that watches it, `host:pid`; nil where none does.
    public let owner: String?
    /// How the run that is waited for stands, or the code that watches.
    public let runSentences: [String]
    /// When this was read.
    public let readAt: Timestamp
}

extension Snapshot {
    /// What is stored about a wait, in sentences for people.
    public func storedExplanation(of wait: WaitRow) throws -> StoredExplanation {
        let runSentences = try runWaitSentences(wait) + hostedSentences(wait)
        let probe = try self.probe(kind: wait.kind, target: wait.target)
        let sharing = wait.kind == "time" ? 1 : try self.sharing(kind: wait.kind, target: wait.target)
        var sentences: [String] = []
        if let due = wait.due { sentences.append("It is due at \(due).") }
        if let probe {
            let last = probe.state.lastProbeAt.map { " at \($0)" } ?? ""
            sentences.append(
                "The last probe\(last) said: \(probe.state.lastResult). Probes so far: \(probe.state.probes).")
            if let next = probe.state.nextProbeAt { sentences.append("The next probe was planned for \(next).") }
            sentences.append("Stored at \(probe.asOf).")
        } else if wait.due == nil, runSentences.isEmpty {
            sentences.append("Nothing was stored about it yet.")
        }
        if sharing > 1 { sentences.append("\(sharing) waits share it.") }
        return StoredExplanation(
            wait: wait, explanation: WaitExplanation(sentences: sentences, probe: probe?.state, sharing: sharing),
            asOf: probe?.asOf, owner: try owner(ofShard: wait.shard, queue: wait.queue)?.name,
            runSentences: runSentences, readAt: now)
    }
}
