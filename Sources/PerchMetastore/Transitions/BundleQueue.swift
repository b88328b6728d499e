// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// How the row of a task says in which queue it is, and of which bundle: a worker takes tasks of one bundle.
///
/// Those of the bundle `default` have the name of the queue alone, as in homes with no other bundle. The others' stand behind
/// all of these, each bundle's together, its default queue first: `~sales/`, `~sales/gpu`. No name of a queue or a bundle
/// has a tilde or a slash.
struct BundleQueue {
    /// The bundle's name.
    let bundle: String

    init(of bundle: String) { self.bundle = bundle }

    private var isDefault: Bool { bundle == WorkerTerms.defaultBundle }

    /// A queue as rows have it.
    func stored(_ queue: String) -> String {
        if isDefault { return queue }
        return "~\(bundle)/\(queue == TaskDefinition.defaultQueue ? "" : queue)"
    }

    /// What stands before every other queue than the default one, and behind them.
    var othersBehind: String { isDefault ? "" : "~\(bundle)/" }
    var othersBefore: String { isDefault ? "~" : "~\(bundle)0" }

    /// Who is told that something was queued.
    var bell: DoorbellSet { isDefault ? .queue : .bundleQueues }

    /// The name of a queue behind what a row has.
    static func name(of stored: String) -> String {
        guard stored.first == "~", let slash = stored.firstIndex(of: "/") else { return stored }
        let name = stored[stored.index(after: slash)...]
        return name.isEmpty ? TaskDefinition.defaultQueue : String(name)
    }
}

extension DoorbellSet {
    /// Rings where tasks of a bundle were queued.
    package static func queues(ofBundle bundle: String) -> DoorbellSet { BundleQueue(of: bundle).bell }
}

extension Transaction {
    /// A DAG is another bundle's from now on: so is what is queued of it and will be, and what is hosted. What runs ends where
    /// it runs.
    func move(_ dagID: String, to bundle: String) throws {
        try run("UPDATE dag SET bundle = :2 WHERE dag_id = :1", dagID, bundle)
        runs = [:]
        let unfinished = try rows(
            """
            SELECT run_key FROM dag_run r WHERE dag_id = :1 AND (state = 'running' OR EXISTS
                (SELECT 1 FROM task_instance t WHERE t.run_key = r.run_key AND t.is_callback = 1
                    AND t.state IN ('none', 'scheduled', 'queued', 'running', 'deferred', 'up_for_retry')))
            ORDER BY run_key
            """, dagID
        ) { $0.int64(0) }
        for runKey in unfinished {
            try settleQueues(ofRun: runKey, BundleQueue(of: bundle))
            try run(
                """
                UPDATE hosted_wait SET bundle = :2, worker = 0 WHERE wait_id IN
                    (SELECT w.wait_id FROM wait w JOIN task_instance t ON t.ti_id = w.ti_id WHERE t.run_key = :1)
                """, runKey, bundle)
        }
        ring([BundleQueue(of: bundle).bell, .hosted])
    }

    /// Has the rows of a run name the queues of its DAG's bundle.
    func settleQueues(ofRun runKey: Int64, _ queues: BundleQueue) throws {
        let stored = try rows("SELECT DISTINCT queue FROM task_instance WHERE run_key = :1 ORDER BY queue", runKey) {
            $0.text(0)
        }
        for queue in stored {
            let right = queues.stored(BundleQueue.name(of: queue))
            if right == queue { continue }
            try run("UPDATE task_instance SET queue = :3 WHERE run_key = :1 AND queue = :2", runKey, queue, right)
        }
    }
}
