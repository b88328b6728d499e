// SPDX-License-Identifier: Apache-2.0

/// What must hold between the rows of a metastore, beyond what `db check` asks: each query gives the rows that break it,
/// in words.
struct RowRules {
    var name: String
    var sentence: String
    var isOnlyWhenQuiet = false
    var query: StaticString

    static let all = [
        RowRules(
            name: "run counters", sentence: "unfinished and failed of a run are not what a recount gives",
            query: """
                SELECT r.run_key || ' has ' || r.unfinished || ' and ' || r.failed || ', counted ' || c.unfinished ||
                    ' and ' || c.failed
                FROM dag_run r JOIN (
                    SELECT r.run_key AS run_key, r.to_create
                        + (SELECT COUNT(*) FROM task_instance t WHERE t.run_key = r.run_key
                            AND t.is_callback = 0 AND t.state IN
                            ('none', 'scheduled', 'queued', 'running', 'deferred', 'up_for_retry'))
                        + COALESCE((SELECT SUM(m.length - m.created) FROM mapped_task m WHERE m.run_key = r.run_key), 0)
                        AS unfinished,
                        (SELECT COUNT(*) FROM task_instance t WHERE t.run_key = r.run_key
                            AND t.is_callback = 0 AND t.state IN
                            ('failed', 'upstream_failed')) AS failed
                    FROM dag_run r) c ON c.run_key = r.run_key
                WHERE r.unfinished <> c.unfinished OR r.failed <> c.failed
                """),
        RowRules(
            name: "mapping counters", sentence: "the counters of a mapped task are not what a recount gives",
            query: """
                SELECT m.run_key || ' task ' || m.task_index FROM mapped_task m
                WHERE m.unfinished <> m.length - m.created + (SELECT COUNT(*) FROM task_instance t
                        WHERE t.run_key = m.run_key AND t.task_index = m.task_index AND t.state IN
                        ('none', 'scheduled', 'queued', 'running', 'deferred', 'up_for_retry'))
                    OR m.failed <> (SELECT COUNT(*) FROM task_instance t WHERE t.run_key = m.run_key
                        AND t.task_index = m.task_index AND t.state IN ('failed', 'upstream_failed'))
                    OR m.skipped <> (SELECT COUNT(*) FROM task_instance t WHERE t.run_key = m.run_key
                        AND t.task_index = m.task_index AND t.state IN ('skipped', 'removed'))
                    OR m.created <> (SELECT COUNT(*) FROM task_instance t WHERE t.run_key = m.run_key
                        AND t.task_index = m.task_index AND t.map_index >= 0)
                """),
        RowRules(
            name: "run ended", sentence: "a finished run has no end, or an unfinished one has",
            query: "SELECT run_key FROM dag_run WHERE (state IN ('success', 'failed')) <> (end_date IS NOT NULL)"),
        RowRules(
            name: "dispatch id", sentence: "a task instance has a dispatch id and no dispatch, or the other way round",
            query: """
                SELECT ti_id || ' is ' || state || ' with ' || dispatch_id FROM task_instance
                WHERE (state IN ('queued', 'running')) <> (dispatch_id <> 0)
                """),
        RowRules(
            name: "dispatch id", sentence: "two task instances have one dispatch id",
            query: """
                SELECT dispatch_id FROM task_instance WHERE dispatch_id <> 0 GROUP BY dispatch_id HAVING COUNT(*) > 1
                """),
        RowRules(
            name: "cancel", sentence: "a task instance is to be cancelled, and is neither queued for it nor running",
            query: """
                SELECT ti_id || ' is ' || state FROM task_instance WHERE cancel_state IS NOT NULL
                    AND NOT (state = 'running' OR (state = 'queued' AND queue_class = 0))
                """),
        RowRules(
            name: "hold",
            sentence: "a scheduled task instance is held, and its DAG is not paused, or the other way round",
            query: """
                SELECT t.ti_id FROM task_instance t JOIN dag_run r ON r.run_key = t.run_key
                    JOIN dag d ON d.dag_id = r.dag_id
                WHERE t.state = 'scheduled' AND t.is_callback = 0 AND (t.is_held = 1) <> d.is_paused
                """),
        RowRules(
            name: "slots", sentence: "a dispatch holds a slot of another pool than its task's",
            query: """
                SELECT s.dispatch_id FROM pool_slot s JOIN task_instance t ON t.ti_id = s.ti_id WHERE s.pool <> t.pool
                """),
        RowRules(
            name: "left behind", sentence: "a row belongs to a task instance or a run that is not there",
            query: """
                SELECT 'journal of ' || j.ti_id FROM journal j
                    WHERE NOT EXISTS (SELECT 1 FROM task_instance t WHERE t.ti_id = j.ti_id)
                UNION ALL SELECT 'output item of ' || o.ti_id FROM output_item o
                    WHERE NOT EXISTS (SELECT 1 FROM task_instance t WHERE t.ti_id = o.ti_id)
                UNION ALL SELECT 'slot of ' || s.ti_id FROM pool_slot s
                    WHERE NOT EXISTS (SELECT 1 FROM task_instance t WHERE t.ti_id = s.ti_id)
                UNION ALL SELECT 'task instance ' || t.ti_id FROM task_instance t
                    WHERE NOT EXISTS (SELECT 1 FROM dag_run r WHERE r.run_key = t.run_key)
                        AND NOT EXISTS (SELECT 1 FROM removed_run d WHERE d.run_key = t.run_key)
                UNION ALL SELECT 'mapped task of ' || m.run_key FROM mapped_task m
                    WHERE NOT EXISTS (SELECT 1 FROM dag_run r WHERE r.run_key = m.run_key)
                """),
        RowRules(
            name: "left behind", sentence: "a run is being removed, and it is there",
            query: "SELECT d.run_key FROM removed_run d JOIN dag_run r ON r.run_key = d.run_key"),
        // A moved deadline leaves a note, too; nothing in the simulation moves one.
        RowRules(
            name: "left behind", sentence: "a note says that a wait is gone, and it is there",
            query: "SELECT n.wait_id FROM wait_removal n JOIN wait w ON w.wait_id = n.wait_id"),
        RowRules(
            name: "left behind", sentence: "notes of removed waits were not forgotten", isOnlyWhenQuiet: true,
            query: "SELECT wait_id FROM wait_removal ORDER BY seq LIMIT 3"),
        RowRules(
            name: "wait", sentence: "a wait is of another try than its task instance",
            query: """
                SELECT w.wait_id FROM wait w JOIN task_instance t ON t.ti_id = w.ti_id
                WHERE w.try_number <> t.try_number
                """),
        RowRules(
            name: "wait", sentence: "a task's wait is not in its journal, or has an outcome there",
            query: """
                SELECT w.wait_id FROM wait w WHERE w.is_sensor = 0 AND NOT EXISTS (SELECT 1 FROM journal j
                    WHERE j.ti_id = w.ti_id AND j.try_number = w.try_number AND j.key = w.journal_key
                    AND j.kind = 'wait' AND j.outcome IS NULL)
                """),
        RowRules(
            name: "wait", sentence: "a journalled wait has neither an outcome nor a wait",
            query: """
                SELECT j.ti_id || ' ' || j.key FROM journal j JOIN task_instance t ON t.ti_id = j.ti_id
                WHERE j.kind = 'wait' AND j.outcome IS NULL AND NOT EXISTS (SELECT 1 FROM wait w
                    WHERE w.ti_id = j.ti_id AND w.try_number = j.try_number AND w.journal_key = j.key)
                """),
        RowRules(
            name: "event delivered twice", sentence: "two waits for one target in one try got the same event",
            query: """
                SELECT ti_id || ' try ' || try_number || ' event ' || event_seq FROM journal
                WHERE event_seq IS NOT NULL AND target_key IS NOT NULL
                GROUP BY ti_id, try_number, target_key, event_seq HAVING COUNT(*) > 1
                """),
        RowRules(
            name: "journal", sentence: "two entries of one try stand at one place",
            query: """
                SELECT ti_id || ' try ' || try_number || ' place ' || position FROM journal WHERE is_kept = 0
                GROUP BY ti_id, try_number, position HAVING COUNT(*) > 1
                """),
        RowRules(
            name: "counters", sentence: "a counter is behind what it has counted",
            query: """
                SELECT name || ' ' || value FROM counter
                WHERE (name = 'event_seq' AND value < (SELECT COALESCE(MAX(seq), 0) FROM event))
                    OR (name = 'wait_id' AND value < (SELECT COALESCE(MAX(wait_id), 0) FROM wait))
                    OR (name = 'removal_seq' AND value < (SELECT COALESCE(MAX(seq), 0) FROM wait_removal))
                    OR (name = 'event_seq' AND value <> COALESCE((SELECT MAX(number) FROM sim_audit
                        WHERE what = 'event+'), 0))
                """),
        RowRules(
            name: "upstream counters", sentence: "what a task knows of its upstream cannot be",
            query: """
                SELECT ti_id || ' has ' || pending || ' to come, ' || upstream_failed || ' failed, ' || upstream_skipped ||
                    ' skipped' FROM task_instance
                WHERE pending < 0 OR upstream_failed < 0 OR upstream_skipped < 0
                """),
        RowRules(
            name: "poison", sentence: "a late or repeated message was taken",
            query: """
                SELECT 'output of ' || ti_id FROM task_instance WHERE output LIKE '%poison%' OR message LIKE '%poison%'
                UNION ALL SELECT 'journal of ' || ti_id FROM journal
                    WHERE payload LIKE '%poison%' OR outcome LIKE '%poison%'
                UNION ALL SELECT 'wait ' || wait_id FROM wait
                    WHERE target LIKE '%poison%' OR definition LIKE '%poison%' OR progress LIKE '%poison%'
                UNION ALL SELECT 'event ' || seq FROM event WHERE payload LIKE '%poison%'
                """),
    ]
}
