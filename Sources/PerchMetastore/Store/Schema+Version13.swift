// SPDX-License-Identifier: Apache-2.0

extension Schema {
    static let version13 = """
        -- What the templates of a try's operator have become, for people: nothing secret is in it. It goes with the instance.
        CREATE TABLE rendered_field (
            ti_id {int64} NOT NULL,
            try_number INTEGER NOT NULL,
            name TEXT NOT NULL,
            position INTEGER NOT NULL,
            value TEXT NOT NULL,
            PRIMARY KEY (ti_id, try_number, name)
        ) {clustered};

        -- The texts of the files that declare DAGs, each once; a text goes with the last version that has it.
        CREATE TABLE dag_source (
            content_hash TEXT PRIMARY KEY,
            content TEXT NOT NULL
        ) {table};
        -- The text that a version was read from, and the path of its file; NULL: there is none.
        ALTER TABLE dag_version ADD COLUMN source_hash TEXT;
        ALTER TABLE dag_version ADD COLUMN source_path TEXT;
        CREATE INDEX dag_version_source ON dag_version (source_hash) WHERE source_hash IS NOT NULL;
        """
}
