// SPDX-License-Identifier: Apache-2.0

package import PerchBundle
package import PerchMetastore

/// Where the lines of attempts go: files in production, memory in a simulation.
package protocol AttemptLog: Sendable {
    /// Adds lines to the log of a try.
    func append(_ lines: [LogLine], to key: TaskInstanceKey, tryNumber: Int, worth: LogWorth)
    /// Returns once everything added before is where it belongs.
    func flush() async
}

extension AttemptLogStore: AttemptLog {}
