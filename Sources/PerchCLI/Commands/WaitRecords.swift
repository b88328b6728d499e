// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// Waits as commands show them.
struct WaitRecords {
    private var book: WaitBook

    init(_ snapshot: Snapshot) throws {
        book = try WaitBook(snapshot)
    }

    /// The fields of `deferred list`.
    mutating func summary(_ wait: WaitRow, _ snapshot: Snapshot) throws -> Record {
        Self.summary(try book.view(wait, snapshot))
    }

    private static func summary(_ view: WaitView) -> Record {
        let wait = view.wait
        return [
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
            "next_probe_at": .instant(view.nextProbeAt),
            "last_probe_at": .instant(view.probe?.state.lastProbeAt),
            "last_result": .text(view.lastResult),
            "probes": .number(view.probe?.state.probes ?? 0),
            "sharing": .number(view.sharing),
            "owner": .text(view.owner),
        ]
    }

    /// Everything that the metastore has about a wait.
    mutating func details(_ wait: WaitRow, _ snapshot: Snapshot) throws -> Record {
        let view = try book.view(wait, snapshot)
        var record = Self.summary(view)
        record.fields += [
            Record.Field(name: "as_of", value: .instant(view.probe?.asOf)),
            Record.Field(name: "is_sensor", value: .flag(wait.isSensor)),
            Record.Field(name: "journal_key", value: .text(wait.journalKey)),
            Record.Field(name: "due", value: .instant(wait.due)),
            Record.Field(name: "definition", value: Self.json(wait.definition)),
            Record.Field(name: "progress", value: Self.json(wait.progress)),
            Record.Field(name: "event_floor", value: .number(wait.eventFloor)),
            Record.Field(name: "shard", value: .number(wait.shard)),
            Record.Field(name: "host", value: .text(wait.host)),
            Record.Field(name: "queue", value: .text(wait.queue)),
        ]
        return record
    }

    private static func json(_ text: String?) -> Document {
        guard let text else { return .value(.null) }
        let value = try? JSONValue(parsingEnvelope: text)  // because what cannot be parsed is best shown as it stands
        return value.map { .value($0) } ?? .text(text)
    }
}
