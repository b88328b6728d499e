// SPDX-License-Identifier: Apache-2.0

package import PerchBundle
package import PerchMetastore

/// Where the lines of attempts go: files in production, memory in a simulation.
package protocol AttemptLog: Sendable {
    /// Adds lines to the log of a try.
    func append(_ lines: [LogLine], to key: TaskInstanceKey, tryNumber: Int, worth: LogWorth)
    /// Adds lines that a worker, by its number, has heard of a try.
    func append(_ lines: [LogLine], to logged: LoggedTry, by worker: Int64, worth: LogWorth)
    /// A dispatch of the try, at this worker, has said all that it has to say; `isOver`: so has the try. Comes before that
    /// is reported.
    func ended(_ logged: LoggedTry, by worker: Int64, isOver: Bool)
    /// This worker, by its number, begins to work.
    func began(by worker: Int64)
    /// Whether anybody is to be told of ends.
    var hearsEnds: Bool { get }
    /// Returns once everything added before is where it belongs.
    func flush() async
}

extension AttemptLog {
    package func append(_ lines: [LogLine], to logged: LoggedTry, by worker: Int64, worth: LogWorth) {
        append(lines, to: logged.key, tryNumber: logged.log.tryNumber, worth: worth)
    }

    package func ended(_ logged: LoggedTry, by worker: Int64, isOver: Bool) {}

    package func began(by worker: Int64) {}

    package var hearsEnds: Bool { false }
}

extension AttemptLogStore: AttemptLog {}

/// A try that has something to say.
package struct LoggedTry: Sendable, Hashable {
    package var log: LogID
    package var key: TaskInstanceKey
    /// Whether earlier dispatches of it ended in waits, perhaps elsewhere.
    package var hasPast: Bool

    package init(log: LogID, key: TaskInstanceKey, hasPast: Bool = false) {
        self.log = log
        self.key = key
        self.hasPast = hasPast
    }
}
