// SPDX-License-Identifier: Apache-2.0

/// How every connection to a metastore in SQLite is set up, in production and in a simulation.
package enum SQLiteSettings {
    /// To be run on a fresh connection. The journal mode, WAL, is a property of the file and stands apart.
    ///
    /// EXTRA is FULL, and more only until the file is in WAL mode: the removal of the rollback journal is synced, too. If
    /// the journal came back after a power loss, it would undo the switch to WAL, and with it everything since.
    package static let script = """
        PRAGMA synchronous = EXTRA;
        PRAGMA secure_delete = FAST;
        PRAGMA cache_size = -16384;
        PRAGMA wal_autocheckpoint = 4000;
        PRAGMA journal_size_limit = 67108864;
        PRAGMA temp_store = MEMORY;
        """
}
