// SPDX-License-Identifier: Apache-2.0
public import Foundation

extension Timestamp {
    /// The same instant, rounded to the microsecond; saturates at the ends of the range.
    public init(_ date: Date) {
        let seconds = date.timeIntervalSince1970
        let whole = seconds.rounded(.down)
        guard let exact = Int64(exactly: whole), exact.magnitude < Int64.max / 1_000_000 else {
            self.init(microseconds: seconds > 0 ? .max : .min)
            return
        }
        self.init(microseconds: exact * 1_000_000 + Int64(((seconds - whole) * 1_000_000).rounded()))
    }

    /// The same instant as a `Date`, which holds microseconds exactly for a few hundred years around now.
    public var date: Date {
        let (seconds, micros) = CivilTime.floorDivide(Int(microseconds), 1_000_000)
        return Date(timeIntervalSince1970: Double(seconds) + Double(micros) / 1_000_000)
    }
}
