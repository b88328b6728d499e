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
        let explained = await ExplainedWait(stored, asking: ExplanationDesk(of: home).ask)
        if let note = explained.note { Console.shared.say("note: \(note)") }
        guard output.format == .table else { return try Listing.show(explained.record, output.format) }
        for line in explained.heading + explained.sentences { try Console.shared.line(SafeText.neutralised(line)) }
        try Console.shared.flush()
    }
}

/// What the metastore has to say about a wait, as commands show it.
extension StoredExplanation {
    init(_ waitID: Int64, _ snapshot: Snapshot) throws {
        self = try snapshot.storedExplanation(of: try snapshot.knownWait(waitID))
    }
}

/// The same with its triggerer's word.
extension ExplainedWait {
    private var wait: WaitRow { stored.wait }

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

    var record: Record {
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
            "sentences": .list(sentences.map { .text($0) }),
            "next_probe_at": .instant(probe?.nextProbeAt ?? wait.due),
            "last_probe_at": .instant(probe?.lastProbeAt),
            "last_result": .text(probe?.lastResult),
            "probes": .number(probe?.probes ?? 0),
            "sharing": .number(sharing),
            "owner": .text(stored.owner),
            "live": .flag(live != nil),
            "as_of": .instant(asOf),
        ]
    }
}
