// SPDX-License-Identifier: Apache-2.0

/// How every connection to a metastore in SQLite is set up, in production and in a simulation.
package enum SQLiteSettings {
    /// To be run on a fresh connection. The journal mode, WAL, is a property of the file and stands apart.
    package static let script = """
        PRAGMA synchronous = FULL;
        PRAGMA secure_delete = FAST;
        PRAGMA cache_size = -16384;
        PRAGMA wal_autocheckpoint = 4000;
        PRAGMA journal_size_limit = 67108864;
        PRAGMA temp_store = MEMORY;
        """
}
