// SPDX-License-Identifier: Apache-2.0

extension Schema {
    static let version11 = """
        -- Who may: people, and what programs show. Of what is secret only hashes are stored.
        CREATE TABLE access_user (
            user_id {int64} PRIMARY KEY,
            name TEXT NOT NULL,
            -- The hash of a password with how it was made; NULL: nobody logs in under this name.
            password TEXT,
            role TEXT NOT NULL,
            is_disabled INTEGER NOT NULL,
            created_at {int64} NOT NULL
        ) {table};
        CREATE UNIQUE INDEX access_user_name ON access_user (name);

        CREATE TABLE access_token (
            token_id {int64} PRIMARY KEY,
            name TEXT NOT NULL,
            -- Whose it is; NULL: a service's.
            user_id {int64},
            -- SHA-256 of what is shown, in hexadecimal digits.
            digest TEXT NOT NULL,
            role TEXT NOT NULL,
            created_at {int64} NOT NULL,
            expires_at {int64},
            last_used_at {int64},
            revoked_at {int64}
        ) {table};
        CREATE UNIQUE INDEX access_token_digest ON access_token (digest);
        CREATE UNIQUE INDEX access_token_name ON access_token (name);

        -- Roles for some DAGs alone, of a user or a token.
        CREATE TABLE access_grant (
            holder_id {int64} NOT NULL,
            pattern TEXT NOT NULL,
            role TEXT NOT NULL,
            PRIMARY KEY (holder_id, pattern)
        ) {clustered};

        CREATE TABLE access_session (
            digest TEXT PRIMARY KEY,
            user_id {int64} NOT NULL,
            csrf TEXT NOT NULL,
            created_at {int64} NOT NULL,
            seen_at {int64} NOT NULL,
            expires_at {int64} NOT NULL
        ) {table};
        CREATE INDEX access_session_user ON access_session (user_id);
        -- Counts changes of all these; 0: nobody was ever named.
        INSERT INTO counter (name, value) VALUES ('access_version', 0);

        -- What was done, by whom.
        CREATE TABLE audit_log (
            audit_id {int64} PRIMARY KEY,
            at {int64} NOT NULL,
            who TEXT NOT NULL,
            how TEXT NOT NULL,
            action TEXT NOT NULL,
            subject TEXT NOT NULL,
            details TEXT NOT NULL
        ) {table};
        INSERT INTO counter (name, value) VALUES ('audit', 0);

        -- The version of the bundle that the code of a run goes on with, where its DAG is pinned: the one with which the first
        -- of it began. NULL: none has, or any will do.
        ALTER TABLE dag_run ADD COLUMN bundle_version TEXT;
        CREATE INDEX dag_run_pinned ON dag_run (bundle_version) WHERE bundle_version IS NOT NULL AND state = 'running';
        """
}
