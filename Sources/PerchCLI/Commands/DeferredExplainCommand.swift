// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DeferredExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "What a wait looks at, what was last seen, what comes next.",
        discussion: "Asks the triggerer. Without one it tells what was stored last, and when that was.")

    @Argument(help: "The wait's id, as `deferred list` shows it.") var waitID: Int64
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let waitID = waitID
        let (home, stored) = try await home.withMetastore { home, metastore in
            (home, try await metastore.read { try StoredExplanation(waitID, $0) })
        }
        let live = try LiveExplanation.ask(waitID, home)
        if live == nil {
            Console.shared.say(stored.note)
        }
        var explanation = live ?? stored.explanation
        explanation.sentences += stored.runSentences
        guard output.format == .table else {
            try Listing.show(stored.record(explanation, isLive: live != nil), output.format)
            return
        }
        for line in stored.heading + explanation.sentences { try Console.shared.line(SafeText.neutralised(line)) }
        try Console.shared.flush()
    }
}

/// What the triggerer says of a wait at this moment.
enum LiveExplanation {
    /// Nil where no triggerer answers, or where it does not have the wait.
    static func ask(_ waitID: Int64, _ home: Home) throws -> WaitExplanation? {
        for path in home.paths.inspections() {
            if let explanation = try ask(waitID, at: path) { return explanation }
        }
        return nil
    }

    /// The same of one triggerer, at its inspection socket.
    static func ask(_ waitID: Int64, at path: String) throws -> WaitExplanation? {
        guard case .document(let answer)? = try EngineLine.ask(["explain": .integer(waitID)], at: path),
            let explanation = answer["explanation"], explanation != .null
        else { return nil }
        return try explanation.decode(WaitExplanation.self)
    }
}

/// What the metastore has to say about a wait, as commands show it.
extension StoredExplanation {
    init(_ waitID: Int64, _ snapshot: Snapshot) throws {
        self = try snapshot.storedExplanation(of: try snapshot.knownWait(waitID))
    }

    /// Why it is not the triggerer that explains.
    var note: String {
        guard owner == nil else { return "note: the triggerer does not answer; this is what was stored last" }
        return "note: no triggerer that serves the queue '\(wait.queue)' is running; this is what was stored last"
    }

    /// Whose wait it is, for what and since when.
    var heading: [String] {
        let task = wait.key.mapIndex < 0 ? wait.key.taskID : "\(wait.key.taskID)[\(wait.key.mapIndex)]"
        var lines = [
            "Wait \(wait.waitID): \(wait.key.dagID) \(wait.key.runID) \(task), try \(wait.tryNumber), waits for "
                + "\(wait.kind) \(wait.target)\(composedWords) since \(wait.since)."
        ]
        if let deadline = wait.deadline { lines.append("It times out at \(deadline).") }
        return lines
    }

    /// What its author calls it, where it is a trigger that is made of others.
    private var composedWords: String {
        guard let text = wait.definition,
            let definition = try? JSONValue(parsingEnvelope: text),  // because whoever watches it tells what is wrong
            case .string(let name)? = definition[TriggerSpec.composedKey]
        else { return "" }
        return " (what \(name) is made of)"
    }

    func record(_ explanation: WaitExplanation, isLive: Bool) -> Record {
        [
            "wait_id": .number(wait.waitID),
            "dag_id": .text(wait.key.dagID),
            "run_id": .text(wait.key.runID),
            "task_id": .text(wait.key.taskID),
            "map_index": .number(wait.key.mapIndex),
            "try_number": .number(wait.tryNumber),
            "kind": .text(wait.kind),
            "target": .text(wait.target),
            "since": .instant(wait.since),
            "deadline": .instant(wait.deadline),
            "sentences": .list(explanation.sentences.map { .text($0) }),
            "next_probe_at": .instant(explanation.probe?.nextProbeAt ?? wait.due),
            "last_probe_at": .instant(explanation.probe?.lastProbeAt),
            "last_result": .text(explanation.probe?.lastResult),
            "probes": .number(explanation.probe?.probes ?? 0),
            "sharing": .number(explanation.sharing),
            "owner": .text(owner),
            "live": .flag(isLive),
            "as_of": .instant(isLive ? readAt : asOf),
        ]
    }
}
