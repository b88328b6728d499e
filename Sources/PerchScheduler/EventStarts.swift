// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// Which events start which DAGs, without any I/O.
struct EventStarts: Sendable {
    private struct Address: Hashable {
        var name: String
        var key: String?
    }

    private struct Listener: Sendable {
        var dagID: String
        var floor: Int64
        var start: Timestamp?
        var end: Timestamp?
        var condition: JSONCondition?
    }

    private var listeners: [Address: [Listener]] = [:]
    /// Events up to this one start nothing; nil where no event does.
    private(set) var floor: Int64?

    /// Adds a DAG.
    /// - Throws: `PerchError` (`invalid`) for a condition that cannot be read; then the DAG is not added.
    mutating func add(_ dag: EventStartedDAG, _ definition: DAGDefinition) throws(PerchError) {
        guard case .events(let patterns) = definition.schedule else { return }
        var added: [(Address, Listener)] = []
        for pattern in patterns {
            let listener = Listener(
                dagID: dag.dagID, floor: dag.floor, start: definition.start, end: definition.end,
                condition: try pattern.payloadCondition())
            added.append((Address(name: pattern.name, key: pattern.key), listener))
        }
        for (address, listener) in added { listeners[address, default: []].append(listener) }
        floor = min(floor ?? .max, dag.floor)
    }

    /// The DAGs that an event starts, by id, each once.
    func dags(startedBy event: InboxEvent) -> [String] {
        var found: Set<String> = []
        for key in event.key == nil ? [nil] : [event.key, nil] {
            for listener in listeners[Address(name: event.name, key: key)] ?? [] where starts(listener, by: event) {
                found.insert(listener.dagID)
            }
        }
        return found.sorted()
    }

    private func starts(_ listener: Listener, by event: InboxEvent) -> Bool {
        guard event.seq > listener.floor, listener.start ?? event.receivedAt <= event.receivedAt,
            event.receivedAt <= listener.end ?? event.receivedAt
        else { return false }
        return listener.condition?.evaluate(event.payload) ?? true
    }
}
