// SPDX-License-Identifier: Apache-2.0

extension Schema {
    static let version12 = """
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
