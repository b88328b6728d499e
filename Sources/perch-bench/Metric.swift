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
    /// bytes, us, ms, s, percent (of one core), per_s, count.
    var unit: String
    /// Where the metastore is a file of the home.
    var goal: Goal
    /// Where it lies on a server: mostly nothing is promised of what hangs on the database.
    var goalOnServer: Goal
    /// What the bare machine does at the same moment, in the same unit.
    var limit: Double?

    init(
        _ name: String, _ value: Double, _ unit: String, goal: Goal, onServer: Goal = .none, limit: Double? = nil
    ) {
        self.name = name
        self.value = value
        self.unit = unit
        self.goal = goal
        goalOnServer = onServer
        self.limit = limit
    }

    private func isReached(_ goal: Goal) -> Bool {
        switch goal {
        case .atMost(let most): value <= most
        case .atLeast(let least): value >= least
        case .none: true
        }
    }

    /// The figure as a line of JSON.
    ///
    /// - Parameters:
    ///   - commit: How long a durable commit takes in this run, in ms.
    ///   - isOnServer: Whether the metastore lies on a server.
    func line(case name: String, commit: Double, isOnServer: Bool) -> String {
        let goal = isOnServer ? goalOnServer : goal
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
            ("ok", isReached(goal) ? "true" : "false"), ("commit_ms", Self.number(commit)),
            ("metastore", isOnServer ? "\"postgresql\"" : "\"sqlite\""),
        ]
        return "{" + fields.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}"
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(format: "%.4f", value)
    }
}
