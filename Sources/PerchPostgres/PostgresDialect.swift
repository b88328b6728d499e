// SPDX-License-Identifier: Apache-2.0

package import PerchMetastore

extension SQLDialect {
    /// PostgreSQL's. Texts are compared by their bytes, as in SQLite, whatever the collation of the database.
    package static let postgres = SQLDialect(
        placeholder: "$", clustered: "", table: "", int64: "BIGINT", forUpdate: "FOR UPDATE",
        skipLocked: "FOR UPDATE SKIP LOCKED", like: "ILIKE",
        tables: "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = current_schema()",
        columns: """
            SELECT column_name, data_type FROM information_schema.columns
            WHERE table_schema = current_schema() AND table_name = :1 ORDER BY ordinal_position
            """,
        // The server looks after its pages itself.
        damage: "SELECT 'ok'", integer: "BIGINT", text: "TEXT COLLATE \"C\"")
}
