// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// Waits as commands show them. Reads the probe of a target once, however many waits share it.
struct WaitRecords {
    private let owners: ShardOwners
    private var probes: [String: (probe: ProbeRow?, sharing: Int)] = [:]

    init(_ snapshot: Snapshot) throws {
        owners = try snapshot.shardOwners()
    }

    /// The fields of `deferred list`.
    mutating func summary(_ wait: WaitRow, _ snapshot: Snapshot) throws -> Record {
        let (probe, sharing) = try probe(of: wait, snapshot)
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
            "next_probe_at": .instant(probe?.state.nextProbeAt ?? wait.due),
            "last_probe_at": .instant(probe?.state.lastProbeAt),
            "last_result": .text(probe.flatMap { $0.state.lastResult.isEmpty ? nil : $0.state.lastResult }),
            "probes": .number(probe?.state.probes ?? 0),
            "sharing": .number(sharing),
            "owner": .text(owners.name(of: wait)),
        ]
    }

    /// Everything that the metastore has about a wait.
    mutating func details(_ wait: WaitRow, _ snapshot: Snapshot) throws -> Record {
        var record = try summary(wait, snapshot)
        let probe = try self.probe(of: wait, snapshot).probe
        record.fields += [
            Record.Field(name: "as_of", value: .instant(probe?.asOf)),
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

    private mutating func probe(
        of wait: WaitRow, _ snapshot: Snapshot
    ) throws -> (probe: ProbeRow?, sharing: Int) {
        let key = "\(wait.kind) \(wait.target)"
        if let known = probes[key] { return known }
        let probe = try snapshot.probe(kind: wait.kind, target: wait.target)
        let found = (
            probe: probe,
            sharing: wait.kind == "time" ? 1 : try snapshot.sharing(kind: wait.kind, target: wait.target)
        )
        probes[key] = found
        return found
    }

    private static func json(_ text: String?) -> Document {
        guard let text else { return .value(.null) }
        let value = try? JSONValue(parsingEnvelope: text)  // because what cannot be parsed is best shown as it stands
        return value.map { .value($0) } ?? .text(text)
    }
}
