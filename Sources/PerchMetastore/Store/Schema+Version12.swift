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
        """
}
