// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// When what waits now comes due or times out, if nothing else ends it before.
public struct WaitForecast: Sendable, Hashable {
    /// Waits of a span: from its start up to, and not at, its end.
    public struct Bucket: Sendable, Hashable {
        public var from: Timestamp
        public var to: Timestamp
        /// Time waits that come due.
        public var due = 0
        /// Waits whose deadlines come.
        public var timeouts = 0
    }

    public struct KindCount: Sendable, Hashable {
        public var kind: String
        public var count: Int
    }

    public struct SharedTarget: Sendable, Hashable {
        public var kind: String
        public var target: String
        public var count: Int
    }

    public var asOf: Timestamp
    public var waits = 0
    /// Whose instant has passed already.
    public var overdue = 0
    public var buckets: [Bucket] = []
    /// Whose instant comes after the last bucket.
    public var later = 0
    /// Which have neither an instant at which they come due nor a deadline.
    public var open = 0
    public var kinds: [KindCount] = []
    public var oldest: WaitRow?
    /// The targets that most waits share, at most ten.
    public var shared: [SharedTarget] = []
}

extension Snapshot {
    /// What comes within a span, in so many buckets. Everything is counted by the database; nothing but the counts is kept.
    public func forecast(within span: TimeSpan, buckets count: Int) throws -> WaitForecast {
        let count = Int64(max(1, count))
        let width = max(1, span.microseconds / count + (span.microseconds % count == 0 ? 0 : 1))
        var forecast = WaitForecast(asOf: now)
        for number in 0..<count {
            forecast.buckets.append(
                WaitForecast.Bucket(
                    from: now + TimeSpan(microseconds: width * number),
                    to: now + TimeSpan(microseconds: width * (number + 1))))
        }
        // -1: overdue; the number of buckets: later; one more: never.
        let counts = try rows(
            """
            SELECT CASE WHEN at IS NULL THEN :3 + 1 WHEN at < :1 THEN -1 WHEN (at - :1) / :2 >= :3 THEN :3
                ELSE (at - :1) / :2 END AS place, is_due, COUNT(*)
            FROM (SELECT CASE WHEN due_at <= COALESCE(deadline, due_at) THEN due_at ELSE deadline END AS at,
                    CASE WHEN due_at <= COALESCE(deadline, due_at) THEN 1 ELSE 0 END AS is_due
                FROM wait) AS instants
            GROUP BY place, is_due
            """, now, width, count
        ) { (place: $0.int(0), isDue: $0.bool(1), count: $0.int(2)) }
        for entry in counts {
            forecast.waits += entry.count
            switch entry.place {
            case ..<0: forecast.overdue += entry.count
            case Int(count): forecast.later += entry.count
            case Int(count) + 1: forecast.open += entry.count
            case let place:
                if entry.isDue {
                    forecast.buckets[place].due += entry.count
                } else {
                    forecast.buckets[place].timeouts += entry.count
                }
            }
        }
        forecast.kinds = try rows("SELECT kind, COUNT(*) FROM wait GROUP BY kind ORDER BY kind") {
            WaitForecast.KindCount(kind: $0.text(0), count: $0.int(1))
        }
        var oldest = WaitFilter()
        oldest.sort = .since
        oldest.limit = 1
        forecast.oldest = try waits(oldest).first
        let shared = try rows(
            """
            SELECT target_key, COUNT(*) AS waiting FROM wait WHERE due_at IS NULL GROUP BY target_key
            HAVING COUNT(*) > 1 ORDER BY waiting DESC, target_key LIMIT 10
            """
        ) { (key: $0.int64(0), count: $0.int(1)) }
        forecast.shared = try shared.compactMap { entry in
            try first("SELECT kind, target FROM wait WHERE due_at IS NULL AND target_key = :1 LIMIT 1", entry.key) {
                WaitForecast.SharedTarget(kind: $0.text(0), target: $0.text(1), count: entry.count)
            }
        }
        return forecast
    }
}
