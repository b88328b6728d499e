// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// An asset as far as DAGs and the inbox speak of it.
public struct AssetRow: Sendable, Hashable {
    public var name: String
    /// Tasks of active DAGs that update it.
    public var producers: [TaskName] = []
    /// Active DAGs of which its updates start runs.
    public var startedDAGs: [String] = []
    /// Sensors of active DAGs that wait for its updates.
    public var sensors: [TaskName] = []
    /// Updates that are in the inbox.
    public var updates = 0
    public var lastUpdate: InboxEvent?

    /// A task of a DAG.
    public struct TaskName: Sendable, Hashable {
        public var dagID: String
        public var taskID: String
    }
}

extension Snapshot {
    /// Every asset that an active DAG or an update in the inbox names, by name.
    public func assets() throws -> [AssetRow] {
        var assets: [String: AssetRow] = [:]
        func note(_ name: String, _ change: (inout AssetRow) -> Void) {
            change(&assets[name, default: AssetRow(name: name)])
        }
        for dag in try dags() where dag.isActive {
            let definition = try definition(ofVersion: dag.versionID)
            if case .events(let schedule) = definition.schedule {
                for pattern in schedule.patterns where pattern.name == Asset.eventName {
                    guard let name = pattern.key else { continue }
                    note(name) { asset in
                        if asset.startedDAGs.last != dag.dagID { asset.startedDAGs.append(dag.dagID) }
                    }
                }
            }
            for task in definition.tasks {
                let place = AssetRow.TaskName(dagID: dag.dagID, taskID: task.taskID)
                for outlet in task.outlets { note(outlet) { $0.producers.append(place) } }
                let waits = [task.sensorTrigger, task.start?.trigger].compactMap(\.self)
                for name in waits.compactMap(\.assetName) { note(name) { $0.sensors.append(place) } }
            }
        }
        let updates = try rows(
            """
            SELECT key, COUNT(*), MAX(seq) FROM event WHERE name = :1 AND key IS NOT NULL GROUP BY key ORDER BY key
            """, Asset.eventName
        ) { (name: $0.text(0), count: $0.int(1), last: $0.int64(2)) }
        for update in updates {
            let last = try event(update.last)
            note(update.name) { asset in
                asset.updates = update.count
                asset.lastUpdate = last
            }
        }
        return assets.values.sorted { $0.name < $1.name }
    }
}

extension TaskDefinition {
    fileprivate var sensorTrigger: TriggerSpec? {
        if case .sensor(let sensor) = kind { sensor.trigger } else { nil }
    }
}

extension TriggerSpec {
    /// The asset whose updates it waits for; nil where it waits for something else.
    fileprivate var assetName: String? {
        guard kind == "event", definition["name"] == .string(Asset.eventName),
            case .string(let name)? = definition["key"]
        else { return nil }
        return name
    }
}
