// SPDX-License-Identifier: Apache-2.0

extension Duration {
    /// Whole minutes.
    public static func minutes(_ minutes: Int) -> Duration { whole(minutes, of: 60) }
    /// Minutes and a part of one.
    public static func minutes(_ minutes: Double) -> Duration { .seconds(minutes * 60) }
    /// Whole hours.
    public static func hours(_ hours: Int) -> Duration { whole(hours, of: 3_600) }
    /// Hours and a part of one.
    public static func hours(_ hours: Double) -> Duration { .seconds(hours * 3_600) }
    /// Whole days of 24 hours.
    public static func days(_ days: Int) -> Duration { whole(days, of: 86_400) }

    /// Saturates instead of trapping: a length of such size means "for ever" anyhow.
    private static func whole(_ count: Int, of seconds: Int) -> Duration {
        let (product, overflow) = Int64(count).multipliedReportingOverflow(by: Int64(seconds))
        return .seconds(overflow ? (count > 0 ? Int64.max : Int64.min) : product)
    }
}
