// SPDX-License-Identifier: Apache-2.0

/// Where a simulation takes a hand in what a driver does. An error thrown from a hook ends the group as a COMMIT that
/// failed does; a hook that also kills the process leaves a metastore that only says so.
package struct DriverHooks: Sendable {
    /// Before each COMMIT of the writer: nothing of the group is on the disk's medium.
    package var beforeCommit: @Sendable () throws -> Void
    /// After each COMMIT that has returned, before anybody was told: all of it is.
    package var afterCommit: @Sendable () throws -> Void
    /// Changes a statement before it is prepared, to break one on purpose.
    package var rewrite: (@Sendable (String) -> String)?

    /// Hooks that do nothing but what is given.
    package init(
        beforeCommit: @escaping @Sendable () throws -> Void = {},
        afterCommit: @escaping @Sendable () throws -> Void = {},
        rewrite: (@Sendable (String) -> String)? = nil
    ) {
        self.beforeCommit = beforeCommit
        self.afterCommit = afterCommit
        self.rewrite = rewrite
    }
}
