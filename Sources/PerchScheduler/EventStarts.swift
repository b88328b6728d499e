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
        var pattern: EventPattern
        /// The bit of its pattern.
        var bit: Int64
        var floor: Int64
        var start: Timestamp?
        var end: Timestamp?
        var condition: JSONCondition?
    }

    private var listeners: [Address: [Listener]] = [:]
    /// How the DAGs gather their events.
    private(set) var gathering: [String: EventGathering] = [:]
    /// Events up to this one start nothing; nil where no event does.
    private(set) var floor: Int64?

    /// Adds a DAG.
    /// - Throws: `PerchError` (`invalid`) for a condition that cannot be read; then the DAG is not added.
    mutating func add(_ dag: EventStartedDAG, _ definition: DAGDefinition) throws(PerchError) {
        guard case .events(let events) = definition.schedule else { return }
        var added: [(Address, Listener)] = []
        for (place, pattern) in events.patterns.enumerated() {
            let listener = Listener(
                dagID: dag.dagID, pattern: pattern, bit: 1 << Int64(place), floor: dag.floor, start: definition.start,
                end: definition.end, condition: try pattern.payloadCondition())
            added.append((Address(name: pattern.name, key: pattern.key), listener))
        }
        for (address, listener) in added { listeners[address, default: []].append(listener) }
        gathering[dag.dagID] = EventGathering(events)
        floor = min(floor ?? .max, dag.floor)
    }

    /// What an event starts, by DAG, each once.
    func starts(by event: InboxEvent) -> [EventStart] {
        var found: [String: EventStart] = [:]
        for key in event.key == nil ? [nil] : [event.key, nil] {
            for listener in listeners[Address(name: event.name, key: key)] ?? [] where starts(listener, by: event) {
                if found[listener.dagID] != nil {
                    found[listener.dagID]?.patterns |= listener.bit
                } else {
                    // The first pattern that it meets says what it gives.
                    found[listener.dagID] = EventStart(
                        dagID: listener.dagID, event: event, patterns: listener.bit,
                        gift: EventGift(of: event, by: listener.pattern))
                }
            }
        }
        return found.values.sorted { $0.dagID < $1.dagID }
    }

    private func starts(_ listener: Listener, by event: InboxEvent) -> Bool {
        guard event.seq > listener.floor, listener.start ?? event.receivedAt <= event.receivedAt,
            event.receivedAt <= listener.end ?? event.receivedAt
        else { return false }
        return listener.condition?.evaluate(event.payload) ?? true
    }
}
