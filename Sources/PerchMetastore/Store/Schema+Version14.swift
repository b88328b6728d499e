// SPDX-License-Identifier: Apache-2.0

extension Schema {
    static let version14 = """
        -- What was answered to requests that came with a key, by a hash of the key and of whose it is: asking again gives the
        -- same, and does nothing. The request is a hash, too; status and document are NULL until the answer is known.
        CREATE TABLE kept_answer (
            key TEXT PRIMARY KEY,
            request TEXT NOT NULL,
            at {int64} NOT NULL,
            status INTEGER,
            document TEXT
        ) {table};
        CREATE INDEX kept_answer_age ON kept_answer (at);
        """
}
