// SPDX-License-Identifier: Apache-2.0

/// A transaction that the database has taken back as a whole before it was committed: it collided with another one, or the
/// connection broke. Nothing of it has happened, so it may be made again from its beginning.
package struct LostTransaction: Error {
    /// What is told where it is not made again.
    package var cause: any Error

    package init(cause: any Error) { self.cause = cause }
}
