// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK

extension Metastore {
    /// What is wrong with the metastore: damage of the file and contradictions between its rows, a line each. Empty: sound.
    public func check() async throws -> [String] {
        try await read { snapshot in
            var faults: [String] = []
            try snapshot.connection.query(text: "PRAGMA integrity_check(20)", []) { row in
                let line = row.text(0)
                if line != "ok" { faults.append("the file is damaged: \(line)") }
            }
            let rules: [(String, StaticString)] = [
                (
                    "task instances are deferred without a wait",
                    """
                    SELECT COUNT(*) FROM task_instance t WHERE t.state = 'deferred'
                        AND NOT EXISTS (SELECT 1 FROM wait w WHERE w.ti_id = t.ti_id)
                    """
                ),
                (
                    "waits belong to no deferred task instance",
                    """
                    SELECT COUNT(*) FROM wait w WHERE NOT EXISTS
                        (SELECT 1 FROM task_instance t WHERE t.ti_id = w.ti_id AND t.state = 'deferred')
                    """
                ),
                (
                    "pool slots are held by no dispatch",
                    """
                    SELECT COUNT(*) FROM pool_slot s WHERE NOT EXISTS
                        (SELECT 1 FROM task_instance t WHERE t.ti_id = s.ti_id AND t.dispatch_id = s.dispatch_id
                            AND t.state IN ('queued', 'running'))
                    """
                ),
                (
                    "queued or running task instances hold no pool slot",
                    """
                    SELECT COUNT(*) FROM task_instance t WHERE t.state IN ('queued', 'running') AND t.queue_class > 0
                        AND NOT EXISTS (SELECT 1 FROM pool_slot s WHERE s.dispatch_id = t.dispatch_id)
                    """
                ),
                (
                    "finished runs have unfinished task instances",
                    """
                    SELECT COUNT(*) FROM task_instance t JOIN dag_run r ON r.run_key = t.run_key
                    WHERE r.state IN ('success', 'failed')
                        AND t.state IN ('none', 'scheduled', 'queued', 'running', 'deferred', 'up_for_retry')
                    """
                ),
                (
                    "running runs have no unfinished task instance",
                    """
                    SELECT COUNT(*) FROM dag_run WHERE state = 'running' AND unfinished <= 0
                    """
                ),
            ]
            for (rule, query) in rules {
                if let count = try snapshot.number(query), count > 0 { faults.append("\(count) \(rule)") }
            }
            return faults
        }
    }

    /// Writes a consistent copy while the metastore is in use.
    /// - Throws: `conflict` where the file is there already, `unavailable` where it cannot be written.
    public func backup(to path: String) async throws {
        guard !FileManager.default.fileExists(atPath: path) else {
            throw PerchError(.conflict, "\(path) is there already: name another file")
        }
        let driver = driver
        let answer: Result<Void, any Error> = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(
                    returning: Result {
                        // A copy that broke off must not be taken for one that is whole.
                        let partial = path + ".partial"
                        do {
                            try driver.backup(to: partial)
                            try FileManager.default.moveItem(atPath: partial, toPath: path)
                        } catch {
                            for suffix in ["", "-wal", "-shm", "-journal"] {
                                // It may not be there: the error that counts is the one that is thrown on.
                                unlink(partial + suffix)
                            }
                            throw error
                        }
                    })
            }
        }
        try answer.get()
    }
}
