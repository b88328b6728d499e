// SPDX-License-Identifier: Apache-2.0

extension Schema {
    static let version8 = """
        -- Variables: plain texts, or sealed ones; `key_id` names the key that opens them, null is plain.
        CREATE TABLE variable (
            key TEXT PRIMARY KEY,
            value TEXT NOT NULL,
            key_id TEXT,
            is_secret INTEGER NOT NULL,
            description TEXT NOT NULL,
            updated_at {int64} NOT NULL
        ) {table};

        -- Connections: a sealed JSON object each. Only the type is plain.
        CREATE TABLE connection (
            conn_id TEXT PRIMARY KEY,
            conn_type TEXT NOT NULL,
            value TEXT NOT NULL,
            key_id TEXT NOT NULL,
            description TEXT NOT NULL,
            updated_at {int64} NOT NULL
        ) {table};

        -- What takes more slots than its pool has: set aside until the pool is made larger.
        CREATE INDEX task_instance_oversized ON task_instance (pool) WHERE state = 'scheduled' AND is_held = 2;
        """
}
