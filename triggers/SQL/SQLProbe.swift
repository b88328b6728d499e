// SPDX-License-Identifier: Apache-2.0

internal import PerchReactor
internal import PerchSDK

/// What makes two waits share a query.
struct SQLKey: Hashable {
    var database: SQLDatabase
    var query: String
    var parameters: [JSONValue]

    init(_ trigger: SQLTrigger) {
        database = trigger.database
        query = trigger.query
        parameters = trigger.parameters
    }
}

/// One query that is made again and again, and the waits that look at its rows.
final class SQLProbe: ScheduledProbe {
    enum Activity {
        case idle
        /// Due, and waiting for its turn with the database.
        case queued
        case asking
    }

    let key: SQLKey
    let line: SQLLine
    /// What the probe is called in reports.
    let target: String

    /// The waits of each condition.
    private(set) var conditions: [SQLCondition: Set<Int64>] = [:]
    private var periods = LeastCounter()
    /// Negative, so that the least is the longest.
    private var timeouts = LeastCounter()
    private(set) var count = 0

    var activity = Activity.idle
    /// Something was notified while it was being asked: what it gives may be older than that.
    var isStale = false
    var run: (any SQLRun)?
    var ticket: Int64?
    var dueAt: Int64 = 0
    var failures = 0
    var probes: Int64 = 0
    var lastAt: Int64?
    /// When the probe that is under way was begun.
    var startedAt: Int64 = 0
    var lastResult = ""
    var lastClass = ""
    var reportedAt: Int64 = 0
    /// Who waits for what comes of it next.
    var asked: [() -> Void] = []

    init(key: SQLKey, line: SQLLine, target: String) {
        self.key = key
        self.line = line
        self.target = target
    }

    /// The shortest that any of its waits wants.
    var period: Int64 { periods.least }
    /// The longest that any of its waits grants.
    var timeout: Int64 { -timeouts.least }

    func insert(_ waitID: Int64, _ trigger: SQLTrigger) {
        conditions[trigger.until, default: []].insert(waitID)
        periods.insert(trigger.every.microseconds)
        timeouts.insert(-trigger.timeout.microseconds)
        count += 1
    }

    func remove(_ waitID: Int64, condition: SQLCondition, every: Int64, timeout: Int64) {
        conditions[condition]?.remove(waitID)
        if conditions[condition]?.isEmpty == true { conditions[condition] = nil }
        periods.remove(every)
        timeouts.remove(-timeout)
        count -= 1
    }
}
