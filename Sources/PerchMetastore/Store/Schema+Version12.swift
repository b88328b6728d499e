// SPDX-License-Identifier: Apache-2.0

extension Schema {
    static let version12 = """
        -- Log-ins that have failed, by a hash of a name or an address: whoever guesses is slowed down by every API server.
        CREATE TABLE login_failure (
            subject TEXT PRIMARY KEY,
            failures {int64} NOT NULL,
            last_at {int64} NOT NULL
        ) {table};
        CREATE INDEX login_failure_age ON login_failure (last_at);

        -- The trace that whoever has started a run, or sent an event, says it belongs to (W3C traceparent).
        ALTER TABLE dag_run ADD COLUMN traceparent TEXT;
        ALTER TABLE event ADD COLUMN traceparent TEXT;
        -- When a step began; NULL: its bundle does not say.
        ALTER TABLE journal ADD COLUMN began_at {int64};

        -- The bundle whose tasks a worker takes, and why that does not come up, if it does not: what was said last, how often
        -- in a row, and since when.
        ALTER TABLE worker ADD COLUMN bundle TEXT NOT NULL DEFAULT 'default';
        ALTER TABLE worker ADD COLUMN trouble TEXT;
        ALTER TABLE worker ADD COLUMN trouble_count INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE worker ADD COLUMN trouble_since {int64};

        -- The bundle whose code watches.
        ALTER TABLE hosted_wait ADD COLUMN bundle TEXT NOT NULL DEFAULT 'default';
        DROP INDEX hosted_wait_worker;
        CREATE INDEX hosted_wait_worker ON hosted_wait (worker, bundle, wait_id);
        """
}
