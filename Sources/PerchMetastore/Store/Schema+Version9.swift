// SPDX-License-Identifier: Apache-2.0

extension Schema {
    static let version9 = """
        -- Workers, and what they take on.
        CREATE TABLE worker (
            process_id {int64} PRIMARY KEY,
            -- Separated by commas; NULL: every queue.
            queues TEXT,
            slots {int64} NOT NULL
        ) {table};

        -- A worker of some queues finds their tasks without passing over those of others. Nearly all tasks are in the default
        -- queue, so that is the one whose index is as narrow as before.
        ALTER TABLE task_instance ADD COLUMN queue TEXT NOT NULL DEFAULT 'default';
        DROP INDEX task_instance_queued;
        CREATE INDEX task_instance_queued ON task_instance (queue_class, priority DESC, fair_at, dispatch_id)
            WHERE state = 'queued' AND queue = 'default';
        CREATE INDEX task_instance_queued_elsewhere
            ON task_instance (queue, queue_class, priority DESC, fair_at, dispatch_id)
            WHERE state = 'queued' AND queue <> 'default';
        """
}
