// SPDX-License-Identifier: Apache-2.0

import Logging
import PerchReactor
import PerchSDK

extension Triggerer {
    /// Calls a source, and names it in the log where it held the thread: everything else on it has waited meanwhile.
    func timed(
        _ source: any TriggerSource, _ call: StaticString, wait waitID: Int64? = nil, target: String? = nil,
        waits: Int = 1, _ body: () -> Void
    ) {
        let loop = reactor.loop
        let began = loop.uptime
        body()
        let ended = loop.uptime
        guard ended - began > SlowCalls.bound else { return }
        let kinds = source.kinds.joined(separator: ", ")
        slowCalls.count(kinds)
        guard let note = slowCalls.took(ended - began, "\(kinds) \(call)", at: ended) else { return }
        var metadata: Logger.Metadata = [
            "source": "\(kinds)", "call": "\(call)", "held_ms": "\((ended - began) / 1_000)", "waits": "\(waits)",
        ]
        if let waitID { metadata["wait_id"] = "\(waitID)" }
        if let target { metadata["target"] = "\(target)" }
        if note.count > 1 {
            metadata["slow_calls"] = "\(note.count)"
            metadata["longest_ms"] = "\(note.longest / 1_000)"
        }
        log.warning("a source held the triggerer's thread; nothing else was watched meanwhile", metadata: metadata)
    }
}
