// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// What a backfill does where a date has its run already.
public enum BackfillReprocess: String, Sendable, CaseIterable {
    /// Nothing.
    case none
    /// A run that failed is cleared and runs again.
    case failed
    /// A run that has ended, however it did, is cleared and runs again.
    case completed
}

/// What asks for runs of dates of the past.
public struct BackfillRequest: Sendable {
    public var dagID: String
    /// The first date, itself too.
    public var from: Timestamp
    /// The last date, itself too.
    public var to: Timestamp
    /// From the last date to the first.
    public var isReverse = false
    public var reprocess = BackfillReprocess.none
    /// How many of its runs are under way at a time, beside the other runs of the DAG.
    public var maxActiveRuns = 10
    /// Values over the DAG's defaults; an object.
    public var params = JSONValue.object([:])

    /// A request with the field's defaults.
    public init(dagID: String, from: Timestamp, to: Timestamp) {
        self.dagID = dagID
        self.from = from
        self.to = to
    }
}

extension BackfillRequest {
    /// The instants from which and to which a backfill goes, given as people write them: instants, or dates on the clock of the
    /// schedule's time zone, of which the last is meant whole, and of today as far as the present.
    ///
    /// - Parameter name: What the two are called where they are wrong: `--from` and `--to`.
    /// - Throws: `PerchError` (`invalid`), which begins with the name of what is wrong.
    package static func span(
        from: String, to: String, zone: String, now: Timestamp, name: (_ end: String) -> String
    ) throws -> (from: Timestamp, to: Timestamp) {
        func instant(_ text: String, _ end: String) throws -> Timestamp {
            do {
                return try Timestamp(parsing: text, dateIn: zone)
            } catch {
                throw PerchError(.invalid, "\(name(end)): \(error.message)")
            }
        }
        let (first, start) = (try instant(from, "from"), try instant(to, "to"))
        var last = start
        let isDate = to.utf8.count == "2026-01-01".utf8.count
        if isDate, start <= now, let midnight = try CronSchedule("0 0 * * *", timeZone: zone).next(after: start) {
            last = min(midnight + TimeSpan(microseconds: -1), now)
        }
        guard first <= last else {
            throw PerchError(
                .invalid, "\(name("from")) is \(from), and \(name("to")) is \(to), which is before it")
        }
        return (first, last)
    }
}

/// A date that a backfill has to do with.
public struct BackfillDate: Sendable, Hashable {
    /// What becomes of it.
    public enum Action: String, Sendable {
        /// It gets a run.
        case create
        /// Its run is cleared and runs again.
        case clear
        /// Its run stays as it is.
        case skip
    }

    public var logicalDate: Timestamp
    public var action: Action
    /// The run that it has already.
    public var run: RunRow?
}

/// A backfill as it stands.
public struct BackfillRow: Sendable, Hashable {
    /// What it is doing.
    public enum State: String, Sendable, CaseIterable {
        case running, paused, completed
        /// Cancelled, while runs of it are still under way.
        case cancelling
        case cancelled
    }

    public var backfillID: Int64
    public var dagID: String
    public var from: Timestamp
    public var to: Timestamp
    public var isReverse: Bool
    public var reprocess: BackfillReprocess
    public var maxActiveRuns: Int
    public var params: JSONValue
    public var isPaused: Bool
    /// The date that is looked at next; nil: all have been.
    public var nextDate: Timestamp?
    /// How many dates there were when it was made.
    public var dates: Int
    /// Of the dates that were looked at: those that got a run, whose run was cleared, whose run was left as it is.
    public var created: Int
    public var cleared: Int
    public var skipped: Int
    public var createdBy: String
    public var createdAt: Timestamp
    public var cancelledBy: String?
    public var completedAt: Timestamp?
    /// Its runs that have not ended.
    public var unfinished: Int

    /// What it is doing.
    public var state: State {
        switch (cancelledBy != nil, completedAt != nil) {
        case (true, true): .cancelled
        case (true, false): .cancelling
        case (false, true): .completed
        case (false, false): isPaused ? .paused : .running
        }
    }

    /// How many dates are done with.
    public var done: Int { created + cleared + skipped - unfinished }
}
