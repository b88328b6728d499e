// SPDX-License-Identifier: Apache-2.0

extension Schema {
    static let version10 = """
        -- What attempts say, where workers have homes of their own: a stream of bytes for each try, in pieces.
        CREATE TABLE log_chunk (
            ti_id {int64} NOT NULL,
            try_number INTEGER NOT NULL,
            -- Where in the stream it begins, and its length, in bytes.
            start_at {int64} NOT NULL,
            size {int64} NOT NULL,
            -- Which worker has sent it, and which of its pieces it is: one that is sent twice is stored once.
            writer {int64} NOT NULL,
            position {int64} NOT NULL,
            -- The machine and the home of that worker.
            origin TEXT NOT NULL,
            -- NULL: in a file of the archive.
            content TEXT,
            PRIMARY KEY (ti_id, try_number, start_at)
        ) {table};
        CREATE UNIQUE INDEX log_chunk_piece ON log_chunk (writer, position);

        -- Files of outputs that are too long for their rows, where workers have homes of their own.
        CREATE TABLE output_chunk (
            name TEXT NOT NULL,
            position INTEGER NOT NULL,
            ti_id {int64} NOT NULL,
            content TEXT NOT NULL,
            PRIMARY KEY (name, position)
        ) {table};
        CREATE INDEX output_chunk_task ON output_chunk (ti_id);
        """
}
