// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Who is there to work on what is queued.
struct EngineStanding {
    var isRunning: Bool
    /// The bundle of the DAG that is asked about.
    var bundle: String
    /// Workers of this bundle whose lease has not ended.
    var workers: Int
    /// The queues that they serve; nil: every queue.
    var servedQueues: Set<String>?
    /// Bundle processes that are recorded.
    var bundles: Int
    /// Why the bundle does not come up with any of the workers.
    var trouble: BundleTrouble?
}

/// A run, with what decides whether it goes on.
struct RunStanding {
    var row: RunRow
    var cancelledBy: String?
    /// Task instances that are still to be created.
    var toCreate: Int
    var taskCount: Int
    var isPaused: Bool
    var isActive: Bool
    var mostActive: Int
    /// Runs of the DAG that are under way: the first of them, and how many.
    var active: [String]
    var activeCount: Int
    /// Queued runs that start before it.
    var queuedBefore: Int
    var engine: EngineStanding
    var now: Timestamp
}

/// A task upstream, with what its end says to the one that is asked about.
struct UpstreamStanding {
    var taskID: String
    /// Nil while it is not created, and of a mapped task while its instances have not all ended.
    var state: TaskState?
    /// Of a mapped task: how many instances have ended, of how many.
    var instances: (ended: Int, all: Int)?
    var message: String?
    /// Of which element it is, where it is one instance of a mapped task.
    var mapIndex: Int?
    var way = Settlement.Way.taken
    /// What it gave, where that decides.
    var output: String?

    /// `load`, `load[3]`.
    var name: String { mapIndex.map { "\(taskID)[\($0)]" } ?? taskID }

    var hasEnded: Bool { state?.isFinished ?? false }

    /// `'load' (runs)`, `'load' (3 of 10 instances have ended)`.
    var words: String {
        if let instances, !hasEnded {
            return "'\(taskID)' (\(instances.ended) of \(instances.all) instances have ended)"
        }
        return "'\(name)' (\(state.map(Words.state) ?? "is not created yet"))"
    }

    var json: JSONValue {
        var members: [String: JSONValue] = [
            "task_id": .string(taskID), "state": state.map { .string($0.rawValue) } ?? .null,
        ]
        if let instances {
            members["instances_ended"] = .count(instances.ended)
            members["instances"] = .count(instances.all)
        }
        if let mapIndex { members["map_index"] = .count(mapIndex) }
        return .object(members)
    }
}

/// A pool or a limit before which an instance waits.
struct GateStanding {
    var name: String
    /// Nil: there is no such pool; of a limit: nobody says how many it admits.
    var capacity: Int?
    var used: Int
    /// How many slots the instance takes.
    var needed: Int
    /// Those that hold most, and how many hold any.
    var holders: [PoolHolder]
    var holderCount: Int
    /// How many wait before the gate and go first.
    var ahead: Int

    var isLimit: Bool { TaskDefinition.isLimit(name) }
}

/// A task instance, with what decides whether it runs.
struct TaskStanding {
    var run: RunStanding
    var task: TaskDefinition
    /// Nil while it is not created.
    var row: TaskInstanceRow?
    var counts = UpstreamCounts(all: 0, pending: 0)
    var upstream: [UpstreamStanding] = []
    /// The tasks whose failure, skip or short circuit began what ended this one without running it.
    var causes: [UpstreamStanding] = []
    var isHeld = false
    var gate: GateStanding?
    var wait: WaitRow?
    /// Who watches the wait, `host:pid`.
    var watcher: String?
    /// What is queued and is picked up before it, and what runs.
    var queuedBefore = 0
    var running = 0
    var cancel: CancelIntent?
    /// Of a mapped task: how many instances have been created, of how many.
    var mapping: (created: Int, length: Int)?
    /// Of a mapped task that is not mapped: how many instances of a mapping that was cleared away have not ended.
    var leaving = 0
}
