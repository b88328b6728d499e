// SPDX-License-Identifier: Apache-2.0

/// What must hold between the rows of a sound metastore, as queries that count what breaks it.
package enum ConsistencyRules {
    private static let all: [(String, StaticString)] = [
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
            "waits that code of a bundle watches for are not told to workers",
            """
            SELECT COUNT(*) FROM wait w WHERE w.kind LIKE 'async:%'
                AND NOT EXISTS (SELECT 1 FROM hosted_wait h WHERE h.wait_id = w.wait_id)
            """
        ),
        (
            "waits are gone that workers still host",
            """
            SELECT COUNT(*) FROM hosted_wait h WHERE NOT EXISTS (SELECT 1 FROM wait w WHERE w.wait_id = h.wait_id)
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
            "pools count other slots than are held",
            """
            SELECT COUNT(*) FROM pool p
            WHERE p.used <> (SELECT COALESCE(SUM(s.slots), 0) FROM pool_slot s WHERE s.pool = p.name)
                + (SELECT COALESCE(SUM(w.slots), 0) FROM wait_slot w WHERE w.gate = p.name)
            """
        ),
        (
            "limits count other slots than are held",
            """
            SELECT COUNT(*) FROM task_limit l
            WHERE l.used <> (SELECT COUNT(*) FROM limit_slot s WHERE s.name = l.name)
                + (SELECT COALESCE(SUM(w.slots), 0) FROM wait_slot w WHERE w.gate = l.name)
            """
        ),
        (
            "slots of pools are held by no wait, or by more or fewer rows than it knows of",
            """
            SELECT (SELECT COUNT(*) FROM wait_slot s WHERE NOT EXISTS
                    (SELECT 1 FROM wait w WHERE w.wait_id = s.wait_id AND w.held > 0))
                + (SELECT COUNT(*) FROM wait w WHERE w.held > 0
                    AND w.held <> (SELECT COUNT(*) FROM wait_slot s WHERE s.wait_id = w.wait_id))
            """
        ),
        (
            "slots of limits are held by no dispatch, or counted by no limit",
            """
            SELECT COUNT(*) FROM limit_slot s WHERE NOT EXISTS
                (SELECT 1 FROM pool_slot p WHERE p.dispatch_id = s.dispatch_id AND p.limits > 0)
                OR NOT EXISTS (SELECT 1 FROM task_limit l WHERE l.name = s.name)
            """
        ),
        (
            "finished runs have unfinished task instances",
            """
            SELECT COUNT(*) FROM task_instance t JOIN dag_run r ON r.run_key = t.run_key
            WHERE r.state IN ('success', 'failed') AND t.is_callback = 0
                AND t.state IN ('none', 'scheduled', 'queued', 'running', 'deferred', 'up_for_retry')
            """
        ),
        (
            "pieces of logs or outputs belong to no task instance",
            """
            SELECT (SELECT COUNT(*) FROM log_chunk c WHERE NOT EXISTS
                    (SELECT 1 FROM task_instance t WHERE t.ti_id = c.ti_id))
                + (SELECT COUNT(*) FROM output_chunk c WHERE NOT EXISTS
                    (SELECT 1 FROM task_instance t WHERE t.ti_id = c.ti_id))
            """
        ),
        (
            "filled in fields belong to no task instance",
            """
            SELECT COUNT(*) FROM rendered_field f WHERE NOT EXISTS
                (SELECT 1 FROM task_instance t WHERE t.ti_id = f.ti_id)
            """
        ),
        (
            "texts of files belong to no version of a DAG, or versions have texts that are not there",
            """
            SELECT (SELECT COUNT(*) FROM dag_source s WHERE NOT EXISTS
                    (SELECT 1 FROM dag_version v WHERE v.source_hash = s.content_hash))
                + (SELECT COUNT(*) FROM dag_version v WHERE v.source_hash IS NOT NULL AND NOT EXISTS
                    (SELECT 1 FROM dag_source s WHERE s.content_hash = v.source_hash))
            """
        ),
        (
            "running runs have no unfinished task instance",
            """
            SELECT COUNT(*) FROM dag_run WHERE state = 'running' AND unfinished <= 0
            """
        ),
    ]

    /// A line for each rule that is broken, with the number of rows. Empty: sound.
    package static func faults(on connection: any SQLConnection) throws -> [String] {
        var faults: [String] = []
        for (rule, query) in all {
            var count: Int64 = 0
            try connection.query(query, []) { count = $0.int64(0) }
            if count > 0 { faults.append("\(count) \(rule)") }
        }
        return faults
    }
}
