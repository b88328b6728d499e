// SPDX-License-Identifier: Apache-2.0

/// What a token lets do whoever shows it. Each right holds those before it.
package enum APIRight: String, Sendable, CaseIterable, Comparable {
    /// To send events, and to read figures.
    case events
    /// To look at everything but secrets.
    case read
    /// To start, end and repeat work.
    case operate
    /// To change what all work goes by.
    case admin

    package static func < (left: APIRight, right: APIRight) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .events: 0
        case .read: 1
        case .operate: 2
        case .admin: 3
        }
    }

    /// What its holder may do, in words.
    var words: String {
        switch self {
        case .events: "send events"
        case .read: "look at everything"
        case .operate: "start, end and repeat work"
        case .admin: "change everything"
        }
    }
}
