// SPDX-License-Identifier: Apache-2.0

/// The database under a metastore: its connections and its dialect. SQLite's in production; a simulation has one on a disk
/// that loses what was not synced.
package protocol MetastoreDriver: Sendable {
    /// Gives the one writing connection to `body`. The caller begins and commits; what is thrown as `LostTransaction` may be
    /// made again from the beginning.
    func write<Result>(_ body: (any SQLConnection) throws -> Result) throws -> Result
    /// Gives a connection that stands on one consistent snapshot to `body`.
    func read<Result>(_ body: (any SQLConnection) throws -> Result) throws -> Result
    /// Copies the database, page by page, while it is in use.
    func backup(to path: String) throws
    /// Closes every connection.
    func close() throws
}
