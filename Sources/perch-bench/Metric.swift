// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK

/// One measured figure.
struct Metric: Sendable {
    /// Which way is better.
    enum Goal: Sendable {
        case atMost(Double)
        case atLeast(Double)
        /// Given for what it tells; nothing is promised.
        case none
    }

    var name: String
    var value: Double
    /// bytes, ms, s, percent (of one core), per_s, count.
    var unit: String
    var goal: Goal
    /// What the bare machine does at the same moment, in the same unit.
    var limit: Double?

    init(_ name: String, _ value: Double, _ unit: String, goal: Goal, limit: Double? = nil) {
        self.name = name
        self.value = value
        self.unit = unit
        self.goal = goal
        self.limit = limit
    }

    private var isReached: Bool {
        switch goal {
        case .atMost(let most): value <= most
        case .atLeast(let least): value >= least
        case .none: true
        }
    }

    /// The figure as a line of JSON. `commit`: how long a durable commit takes on the disk of this run, in ms.
    func line(case name: String, commit: Double) -> String {
        let goalValue: String =
            switch goal {
            case .atMost(let value), .atLeast(let value): Self.number(value)
            case .none: "null"
            }
        let ratio = limit.flatMap { $0 > 0 ? value / $0 : nil }
        let fields: [(String, String)] = [
            ("case", "\"\(name)\""), ("metric", "\"\(self.name)\""), ("value", Self.number(value)),
            ("unit", "\"\(unit)\""),
            ("goal", goalValue), ("limit", limit.map(Self.number) ?? "null"),
            ("ratio", ratio.map(Self.number) ?? "null"),
            ("ok", isReached ? "true" : "false"), ("commit_ms", Self.number(commit)),
        ]
        return "{" + fields.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}"
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(format: "%.4f", value)
    }
}
