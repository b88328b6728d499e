// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Why a wait waits: its triggerer's word where that answers, else what was stored last.
public struct ExplainedWait: Sendable {
    public let stored: StoredExplanation
    /// What its triggerer says at this moment.
    public let live: WaitExplanation?
    /// Why it is not the triggerer that says so.
    public let note: String?

    /// - Parameter ask: Asks the triggerers; nil where none has the wait, or none answers.
    public init(
        _ stored: StoredExplanation, asking ask: (_ waitID: Int64) async throws -> WaitExplanation?
    ) async {
        self.stored = stored
        do {
            live = try await ask(stored.wait.waitID)
            let isWatched = stored.owner != nil
            let reason =
                isWatched
                ? "the triggerer does not answer"
                : "no triggerer that serves the queue '\(stored.wait.queue)' is running"
            note = live == nil ? "\(reason); this is what was stored last" : nil
        } catch {
            live = nil
            let reason = (error as? PerchError)?.message ?? "it cannot be asked"
            note = "the triggerer does not answer (\(reason)); this is what was stored last"
        }
    }

    private var explanation: WaitExplanation { live ?? stored.explanation }
    /// For people, one after another.
    public var sentences: [String] { explanation.sentences + stored.runSentences }
    public var probe: ProbeState? { explanation.probe }
    /// How many waits share what is looked at.
    public var sharing: Int { explanation.sharing }
    /// When it was so; nil where nothing was ever stored.
    public var asOf: Timestamp? { live == nil ? stored.asOf : stored.readAt }
}
