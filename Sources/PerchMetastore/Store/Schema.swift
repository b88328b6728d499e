// SPDX-License-Identifier: Apache-2.0

/// The schema, by version. A version that was released is never edited: what comes later is a migration of its own.
enum Schema {
    /// The schema that this program reads and writes.
    static let current = versions.count

    /// The statements that lead from version `index` to `index + 1`.
    static let versions: [String] = [
        version1, version2, version3, version4, version5, version6, version7, version8, version9, version10,
        version11, version12, version13, version14,
    ]

    private static let version7 = """
        -- Of the upstream tasks that failed, those that did not run (upstream_failed). Of those that count as skipped, the
        -- ones whose output does not lead here, and the ones that a short circuit skipped with all that follows.
        ALTER TABLE task_instance ADD COLUMN upstream_blocked INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE task_instance ADD COLUMN upstream_untaken INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE task_instance ADD COLUMN upstream_cut INTEGER NOT NULL DEFAULT 0;

        -- Fair queueing between DAGs: the place of an instance on a clock that goes on by one with each that is claimed of
        -- the DAG whose turn it is. A DAG's next instance stands one behind its last, or behind the clock.
        ALTER TABLE task_instance ADD COLUMN fair_at {int64} NOT NULL DEFAULT 0;
        ALTER TABLE dag ADD COLUMN fair_last {int64} NOT NULL DEFAULT 0;
        INSERT INTO counter (name, value) VALUES ('fair_clock', 0);
        DROP INDEX task_instance_queued;
        CREATE INDEX task_instance_queued ON task_instance (queue_class, priority DESC, fair_at, dispatch_id)
            WHERE state = 'queued';
        -- `pool` is where a scheduled instance waits for room: its pool, or one of its limits.
        DROP INDEX task_instance_scheduled;
        CREATE INDEX task_instance_scheduled ON task_instance (pool, queue_class, priority DESC, fair_at, ti_id)
            WHERE state = 'scheduled' AND is_held = 0;

        -- When a try fails that has not had its turn.
        ALTER TABLE task_instance ADD COLUMN queue_deadline {int64};
        CREATE INDEX task_instance_overdue ON task_instance (queue_deadline) WHERE queue_deadline IS NOT NULL;

        -- When a run is ended that is still under way.
        ALTER TABLE dag_run ADD COLUMN deadline {int64};
        CREATE INDEX dag_run_deadline ON dag_run (deadline) WHERE deadline IS NOT NULL AND state = 'running';

        -- Limits beside pools: of a DAG, of tasks, by key. How many dispatches hold one, and which.
        ALTER TABLE pool_slot ADD COLUMN limits INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE task_limit (
            name TEXT PRIMARY KEY,
            used {int64} NOT NULL
        ) {table};
        CREATE TABLE limit_slot (
            dispatch_id {int64} NOT NULL,
            name TEXT NOT NULL,
            PRIMARY KEY (dispatch_id, name)
        ) {clustered};

        -- Calls of callbacks are instances that no run waits for; what each is called for.
        ALTER TABLE task_instance ADD COLUMN is_callback INTEGER NOT NULL DEFAULT 0;
        CREATE INDEX task_instance_callback ON task_instance (run_key) WHERE is_callback = 1;
        CREATE TABLE callback_cause (
            ti_id {int64} PRIMARY KEY,
            cause TEXT NOT NULL
        ) {table};
        -- When a run that has not ended calls for its deadline.
        ALTER TABLE dag_run ADD COLUMN alert_at {int64};
        CREATE INDEX dag_run_alert ON dag_run (alert_at) WHERE alert_at IS NOT NULL;

        -- Runs that are created for dates of the past. `next_date`: the date that is looked at next; NULL: all have been.
        CREATE TABLE backfill (
            backfill_id {int64} PRIMARY KEY,
            dag_id TEXT NOT NULL,
            from_date {int64} NOT NULL,
            to_date {int64} NOT NULL,
            is_reverse INTEGER NOT NULL,
            reprocess TEXT NOT NULL,
            max_active_runs INTEGER NOT NULL,
            params TEXT NOT NULL,
            is_paused INTEGER NOT NULL,
            next_date {int64},
            dates INTEGER NOT NULL,
            created INTEGER NOT NULL,
            cleared INTEGER NOT NULL,
            skipped INTEGER NOT NULL,
            created_by TEXT NOT NULL,
            created_at {int64} NOT NULL,
            cancelled_by TEXT,
            completed_at {int64}
        ) {table};
        CREATE UNIQUE INDEX backfill_open ON backfill (dag_id) WHERE completed_at IS NULL;
        ALTER TABLE dag_run ADD COLUMN backfill_id {int64};
        CREATE INDEX dag_run_backfill ON dag_run (backfill_id) WHERE backfill_id IS NOT NULL AND end_date IS NULL;
        -- A date has one run, whether its tick created it or a backfill.
        DROP INDEX dag_run_scheduled;
        CREATE UNIQUE INDEX dag_run_scheduled ON dag_run (dag_id, logical_date) WHERE run_type IN ('scheduled', 'backfill');

        ALTER TABLE pool ADD COLUMN description TEXT NOT NULL DEFAULT '';
        -- How many of its tasks may wait; NULL: any number.
        ALTER TABLE pool ADD COLUMN max_deferred {int64};
        -- What waits hold of pools that count tasks which wait, and how many of these rows a wait has.
        CREATE TABLE wait_slot (
            wait_id {int64} NOT NULL,
            gate TEXT NOT NULL,
            slots {int64} NOT NULL,
            PRIMARY KEY (wait_id, gate)
        ) {clustered};
        CREATE INDEX wait_slot_gate ON wait_slot (gate);
        ALTER TABLE wait ADD COLUMN held INTEGER NOT NULL DEFAULT 0;

        -- What timetables in code have told: after an instant, the next tick; NULL: none any more.
        CREATE TABLE timetable_tick (
            dag_id TEXT NOT NULL,
            after {int64} NOT NULL,
            at {int64},
            interval_start {int64},
            interval_end {int64},
            PRIMARY KEY (dag_id, after)
        ) {clustered};
        CREATE INDEX timetable_tick_at ON timetable_tick (dag_id, at);
        -- What they are to be asked: the ticks after an instant, as far as another one; and why they could not tell.
        CREATE TABLE timetable_want (
            dag_id TEXT NOT NULL,
            after {int64} NOT NULL,
            until {int64},
            problem TEXT,
            PRIMARY KEY (dag_id, after)
        ) {clustered};

        -- What is wrong in the files from which a bundle reads DAGs, in its order.
        CREATE TABLE import_error (
            bundle TEXT NOT NULL,
            position INTEGER NOT NULL,
            file TEXT NOT NULL,
            line INTEGER NOT NULL,
            column_number INTEGER,
            message TEXT NOT NULL,
            since {int64} NOT NULL,
            PRIMARY KEY (bundle, position)
        ) {clustered};
        """

    private static let version6 = """
        -- The last event that does not start the DAG; NULL: events start none of its runs.
        ALTER TABLE dag ADD COLUMN start_floor {int64};
        CREATE INDEX dag_event_started ON dag (dag_id) WHERE start_floor IS NOT NULL AND is_active = 1;
        -- Events up to this one have been looked at for DAGs that they start.
        INSERT INTO counter (name, value) VALUES ('start_cursor', 0);

        -- What became of an event that was to start a DAG: its run, or why there is none; neither while it is gathered
        -- with others. `patterns` has a bit for each pattern of the DAG's schedule that it meets.
        CREATE TABLE event_start (
            seq {int64} NOT NULL,
            dag_id TEXT NOT NULL,
            patterns {int64} NOT NULL,
            run_key {int64},
            reason TEXT,
            PRIMARY KEY (seq, dag_id)
        ) {clustered};
        CREATE INDEX event_start_gathered ON event_start (dag_id, seq) WHERE run_key IS NULL AND reason IS NULL;

        -- When what is gathered for a DAG starts its run, however few there are.
        CREATE TABLE event_batch (
            dag_id TEXT PRIMARY KEY,
            due_at {int64} NOT NULL
        ) {table};
        CREATE INDEX event_batch_due ON event_batch (due_at);

        -- DAGs that are started by the ends of others' runs.
        CREATE TABLE dag_follower (
            followed TEXT NOT NULL,
            dag_id TEXT NOT NULL,
            PRIMARY KEY (followed, dag_id)
        ) {clustered};
        """

    private static let version5 = """
        -- A wait that code of a bundle watches for: which worker hosts it (0: none yet), and how it went so far.
        CREATE TABLE hosted_wait (
            wait_id {int64} PRIMARY KEY,
            worker {int64} NOT NULL,
            failures INTEGER NOT NULL,
            offences INTEGER NOT NULL,
            retry_at {int64},
            words TEXT,
            words_at {int64}
        ) {table};
        CREATE INDEX hosted_wait_worker ON hosted_wait (worker, wait_id);

        -- Events that one wait took for itself, and which task that was.
        CREATE TABLE event_claim (
            seq {int64} PRIMARY KEY,
            consumer TEXT NOT NULL,
            claimed_at {int64} NOT NULL
        ) {table};
        """

    private static let version4 = """
        -- Leases are held on the shards of each queue, by any number of triggerers.
        DROP TABLE shard;
        CREATE TABLE shard (
            queue TEXT NOT NULL,
            shard INTEGER NOT NULL,
            -- 0: nobody's. Without its row in `process` an owner is dead.
            owner {int64} NOT NULL,
            -- The triggerer that has asked for it; 0: none.
            wanted_by {int64} NOT NULL,
            PRIMARY KEY (queue, shard)
        ) {clustered};

        -- The queues of waits; there is always 'default'.
        CREATE TABLE wait_queue (
            queue TEXT PRIMARY KEY
        ) {table};
        INSERT INTO wait_queue VALUES ('default');

        -- What is known of the triggerers beside their rows in `process`.
        CREATE TABLE triggerer (
            process_id {int64} PRIMARY KEY,
            -- Separated by commas; NULL: every queue.
            queues TEXT,
            capacity {int64} NOT NULL,
            is_draining INTEGER NOT NULL,
            waits {int64} NOT NULL
        ) {table};

        DROP INDEX pool_slot_pool;
        -- The sum of the slots that are held, so that it need not be added up.
        ALTER TABLE pool ADD COLUMN used {int64} NOT NULL DEFAULT 0;
        UPDATE pool SET used = (SELECT COALESCE(SUM(s.slots), 0) FROM pool_slot s WHERE s.pool = pool.name);

        -- Triggerers that start after this read every wait: notes from before are of no use.
        DELETE FROM wait_removal;
        ALTER TABLE wait_removal ADD COLUMN queue TEXT NOT NULL DEFAULT 'default';
        ALTER TABLE wait_removal ADD COLUMN shard INTEGER NOT NULL DEFAULT 0;
        """

    private static let version3 = """
        -- Of a wait for the end of a run: the DAG. Of one for the end of a task: the DAG, as one whose tasks are waited for.
        ALTER TABLE wait ADD COLUMN edge_key {int64};
        CREATE INDEX wait_edge ON wait (edge_key) WHERE edge_key IS NOT NULL;
        CREATE INDEX wait_edge_target ON wait (target_key, wait_id) WHERE edge_key IS NOT NULL;
        CREATE INDEX dag_run_date ON dag_run (dag_id, logical_date);

        -- An end for which more wait than one transaction fires: who comes after this place is still to be told.
        CREATE TABLE run_end (
            run_end_id {int64} PRIMARY KEY,
            event TEXT NOT NULL,
            after_key {int64} NOT NULL,
            after_wait {int64} NOT NULL,
            last_wait {int64} NOT NULL
        ) {table};
        """

    private static let version2 = """
        -- A run that was removed, of which something is still to be cleaned away.
        CREATE TABLE removed_run (
            run_key {int64} PRIMARY KEY
        ) {table};
        """

    private static let version1 = """
        CREATE TABLE meta (
            key TEXT PRIMARY KEY,
            value TEXT NOT NULL
        ) {table};

        -- Numbers that only grow: ids in blocks, wait ids and event numbers in the order of commits.
        CREATE TABLE counter (
            name TEXT PRIMARY KEY,
            value {int64} NOT NULL
        ) {table};
        INSERT INTO counter VALUES ('id', 0), ('wait_id', 0), ('event_seq', 0), ('removal_seq', 0);

        CREATE TABLE dag (
            dag_id TEXT PRIMARY KEY,
            bundle TEXT NOT NULL,
            is_paused INTEGER NOT NULL,
            is_active INTEGER NOT NULL,
            version_id {int64} NOT NULL,
            version_number INTEGER NOT NULL,
            bundle_version TEXT NOT NULL,
            max_active_runs INTEGER NOT NULL,
            -- 0: next_run_at has to be worked out. 1: it has been. 2: it will be when a run of the DAG has ended.
            is_scheduled INTEGER NOT NULL,
            next_run_at {int64},
            last_scheduled {int64}
        ) {table};
        CREATE INDEX dag_due ON dag (next_run_at)
            WHERE next_run_at IS NOT NULL AND is_active = 1 AND is_paused = 0;
        CREATE INDEX dag_unscheduled ON dag (dag_id) WHERE is_scheduled = 0;

        CREATE TABLE dag_version (
            version_id {int64} PRIMARY KEY,
            dag_id TEXT NOT NULL,
            version_number INTEGER NOT NULL,
            content_hash TEXT NOT NULL,
            bundle_version TEXT NOT NULL,
            definition TEXT NOT NULL,
            created_at {int64} NOT NULL
        ) {table};
        CREATE UNIQUE INDEX dag_version_number ON dag_version (dag_id, version_number);

        CREATE TABLE dag_run (
            run_key {int64} PRIMARY KEY,
            dag_id TEXT NOT NULL,
            run_id TEXT NOT NULL,
            version_id {int64} NOT NULL,
            run_type TEXT NOT NULL,
            state TEXT NOT NULL,
            logical_date {int64} NOT NULL,
            interval_start {int64} NOT NULL,
            interval_end {int64} NOT NULL,
            params TEXT NOT NULL,
            event_id TEXT,
            event_floor {int64} NOT NULL,
            -- Task instances are created from the last task to the first; how many are still to come.
            to_create INTEGER NOT NULL,
            unfinished INTEGER NOT NULL,
            failed INTEGER NOT NULL,
            queued_at {int64} NOT NULL,
            start_date {int64},
            end_date {int64},
            cancelled_by TEXT
        ) {table};
        CREATE UNIQUE INDEX dag_run_name ON dag_run (dag_id, run_id);
        CREATE UNIQUE INDEX dag_run_event ON dag_run (dag_id, event_id) WHERE event_id IS NOT NULL;
        CREATE UNIQUE INDEX dag_run_scheduled ON dag_run (dag_id, logical_date) WHERE run_type = 'scheduled';
        CREATE INDEX dag_run_queued ON dag_run (dag_id, run_key) WHERE state = 'queued';
        CREATE INDEX dag_run_running ON dag_run (dag_id, run_key) WHERE state = 'running';
        CREATE INDEX dag_run_creating ON dag_run (run_key) WHERE state = 'running' AND to_create > 0;
        CREATE INDEX dag_run_cancelling ON dag_run (run_key) WHERE state = 'running' AND cancelled_by IS NOT NULL;
        CREATE INDEX dag_run_ended ON dag_run (end_date) WHERE end_date IS NOT NULL;

        CREATE TABLE task_instance (
            ti_id {int64} PRIMARY KEY,
            run_key {int64} NOT NULL,
            task_index INTEGER NOT NULL,
            map_index INTEGER NOT NULL,
            state TEXT NOT NULL,
            try_number INTEGER NOT NULL,
            -- The try at which the budget of retries began: moves with each clear.
            first_try INTEGER NOT NULL,
            -- The current hand-out; 0 while there is none.
            dispatch_id {int64} NOT NULL,
            worker {int64},
            -- Upstream tasks that have not ended, and how the others did.
            pending INTEGER NOT NULL,
            upstream_failed INTEGER NOT NULL,
            upstream_skipped INTEGER NOT NULL,
            pool TEXT NOT NULL,
            priority INTEGER NOT NULL,
            -- 0 to clean up after a cancel, 1 resumed after a wait, 2 new.
            queue_class INTEGER NOT NULL,
            is_held INTEGER NOT NULL,
            is_suspect INTEGER NOT NULL,
            queued_at {int64},
            start_date {int64},
            end_date {int64},
            retry_at {int64},
            task_deadline {int64},
            execution_left {int64},
            cancel_state TEXT,
            cancel_reason TEXT,
            cancel_by TEXT,
            message TEXT,
            output TEXT
        ) {table};
        CREATE UNIQUE INDEX task_instance_place ON task_instance (run_key, task_index, map_index);
        CREATE INDEX task_instance_queued ON task_instance (queue_class, priority DESC, dispatch_id)
            WHERE state = 'queued';
        CREATE INDEX task_instance_scheduled ON task_instance (pool, queue_class, priority DESC, ti_id)
            WHERE state = 'scheduled' AND is_held = 0;
        CREATE INDEX task_instance_retry ON task_instance (retry_at) WHERE state = 'up_for_retry';
        CREATE INDEX task_instance_running ON task_instance (worker) WHERE state = 'running';

        -- A mapped task, once it is known over how many elements.
        CREATE TABLE mapped_task (
            run_key {int64} NOT NULL,
            task_index INTEGER NOT NULL,
            length INTEGER NOT NULL,
            created INTEGER NOT NULL,
            unfinished INTEGER NOT NULL,
            failed INTEGER NOT NULL,
            skipped INTEGER NOT NULL,
            first_try INTEGER NOT NULL,
            PRIMARY KEY (run_key, task_index)
        ) {clustered};
        CREATE INDEX mapped_task_creating ON mapped_task (run_key) WHERE created < length;

        -- The elements of an output that something is mapped over.
        CREATE TABLE output_item (
            ti_id {int64} NOT NULL,
            position INTEGER NOT NULL,
            value TEXT NOT NULL,
            PRIMARY KEY (ti_id, position)
        ) {clustered};

        CREATE TABLE journal (
            ti_id {int64} NOT NULL,
            try_number INTEGER NOT NULL,
            key TEXT NOT NULL,
            kind TEXT NOT NULL,
            position INTEGER NOT NULL,
            payload TEXT NOT NULL,
            outcome TEXT,
            target_key {int64},
            event_seq {int64},
            is_kept INTEGER NOT NULL,
            dispatch_id {int64} NOT NULL,
            recorded_at {int64} NOT NULL,
            fired_at {int64},
            fired_by TEXT,
            PRIMARY KEY (ti_id, try_number, key)
        ) {clustered};

        CREATE TABLE wait (
            wait_id {int64} PRIMARY KEY,
            ti_id {int64} NOT NULL,
            try_number INTEGER NOT NULL,
            journal_key TEXT NOT NULL,
            kind TEXT NOT NULL,
            target TEXT NOT NULL,
            target_key {int64} NOT NULL,
            shard INTEGER NOT NULL,
            host TEXT,
            queue TEXT NOT NULL,
            due_at {int64},
            deadline {int64},
            since {int64} NOT NULL,
            is_sensor INTEGER NOT NULL,
            definition TEXT,
            progress TEXT,
            event_floor {int64} NOT NULL
        ) {table};
        CREATE UNIQUE INDEX wait_place ON wait (ti_id, try_number, journal_key);
        -- Time waits share nothing.
        CREATE INDEX wait_target ON wait (target_key) WHERE due_at IS NULL;

        -- Waits that somebody else than their triggerer has ended.
        CREATE TABLE wait_removal (
            seq {int64} PRIMARY KEY,
            wait_id {int64} NOT NULL
        ) {table};

        CREATE TABLE shard (
            shard INTEGER PRIMARY KEY,
            owner {int64} NOT NULL,
            epoch {int64} NOT NULL
        ) {table};

        CREATE TABLE probe (
            owner {int64} NOT NULL,
            target_key {int64} NOT NULL,
            kind TEXT NOT NULL,
            target TEXT NOT NULL,
            last_probe_at {int64},
            next_probe_at {int64},
            last_result TEXT NOT NULL,
            probes {int64} NOT NULL,
            as_of {int64} NOT NULL,
            PRIMARY KEY (target_key, owner)
        ) {clustered};

        CREATE TABLE event (
            seq {int64} PRIMARY KEY,
            event_id TEXT NOT NULL,
            name TEXT NOT NULL,
            key TEXT,
            payload TEXT NOT NULL,
            received_at {int64} NOT NULL
        ) {table};
        CREATE UNIQUE INDEX event_identity ON event (name, event_id);
        CREATE INDEX event_name ON event (name, key, seq);
        CREATE INDEX event_age ON event (received_at);

        CREATE TABLE pool (
            name TEXT PRIMARY KEY,
            slots INTEGER NOT NULL,
            include_deferred INTEGER NOT NULL
        ) {table};
        INSERT INTO pool VALUES ('default_pool', 128, 0);

        -- A slot that is held. Comes with queued, goes when the dispatch has ended; never expires by itself.
        CREATE TABLE pool_slot (
            dispatch_id {int64} PRIMARY KEY,
            pool TEXT NOT NULL,
            ti_id {int64} NOT NULL,
            slots INTEGER NOT NULL
        ) {table};
        CREATE INDEX pool_slot_pool ON pool_slot (pool, slots);

        CREATE TABLE process (
            process_id {int64} PRIMARY KEY,
            role TEXT NOT NULL,
            pid INTEGER NOT NULL,
            start_time {int64} NOT NULL,
            boot_id TEXT NOT NULL,
            host TEXT NOT NULL,
            started_at {int64} NOT NULL,
            lease_until {int64} NOT NULL
        ) {table};
        """
}
