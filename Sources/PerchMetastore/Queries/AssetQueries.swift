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
            for use in try definition(ofVersion: dag.versionID).assetUses {
                note(use.name) { asset in
                    guard let taskID = use.taskID else {
                        if asset.startedDAGs.last != dag.dagID { asset.startedDAGs.append(dag.dagID) }
                        return
                    }
                    let place = AssetRow.TaskName(dagID: dag.dagID, taskID: taskID)
                    if use.kind == .updates { asset.producers.append(place) } else { asset.sensors.append(place) }
                }
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

    /// An asset that somebody names.
    package func knownAsset(_ name: String) throws -> AssetRow {
        let assets = try assets()
        if let asset = assets.first(where: { $0.name == name }) { return asset }
        throw PerchError(
            .notFound,
            assets.isEmpty
                ? "there is no asset '\(name)', nor any other"
                : "there is no asset '\(name)'; \(NearName.hint(name, assets.map(\.name)))")
    }
}

/// What a DAG has to do with an asset.
package struct AssetUse: Sendable, Hashable {
    package enum Kind: Sendable {
        /// Its updates start runs of the DAG.
        case starts
        /// A task updates it.
        case updates
        /// A task waits for its updates.
        case waits
    }

    package var name: String
    package var kind: Kind
    /// Nil where the DAG itself has to do with it.
    package var taskID: String?
}

extension DAGDefinition {
    /// The assets that the DAG has to do with: those that start it, then those of its tasks, in their order.
    package var assetUses: [AssetUse] {
        var uses: [AssetUse] = []
        if case .events(let schedule) = schedule {
            for pattern in schedule.patterns where pattern.name == Asset.eventName {
                if let name = pattern.key { uses.append(AssetUse(name: name, kind: .starts)) }
            }
        }
        for task in tasks {
            uses += task.outlets.map { AssetUse(name: $0, kind: .updates, taskID: task.taskID) }
            let waits = [task.sensorTrigger, task.start?.trigger].compactMap(\.self)
            uses += waits.compactMap(\.assetName).map { AssetUse(name: $0, kind: .waits, taskID: task.taskID) }
        }
        return uses
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
