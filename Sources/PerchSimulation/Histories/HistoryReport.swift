// SPDX-License-Identifier: Apache-2.0

/// What became of one history.
package struct HistoryReport: Sendable {
    package var seed: UInt64
    package var steps = 0
    package var commits = 0
    package var faults = 0
    package var crashes = 0
    package var runs = 0
    /// The same for the same seed, on every machine.
    package var fingerprint: UInt64 = 0
    /// What did not hold, a sentence each. Empty: all held.
    package var violations: [String] = []
    /// The last lines of what happened.
    package var trace: [String] = []

    package init(seed: UInt64) {
        self.seed = seed
    }
}

/// Sums over many histories; goes from process to process as one line.
package struct HistoryTotal: Sendable, Equatable {
    package private(set) var histories = 0
    package private(set) var runs = 0
    package private(set) var faults = 0
    package private(set) var crashes = 0
    package private(set) var commits = 0
    package private(set) var steps = 0

    /// Nothing yet.
    package init() {}

    /// Reads what `line` wrote; nil for any other line.
    package init?(line: String) {
        let words = line.split(separator: " ")
        guard words.count == 12, words[1] == "histories," else { return nil }
        let numbers = stride(from: 0, to: 12, by: 2).compactMap { Int(words[$0]) }
        guard numbers.count == 6 else { return nil }
        (histories, runs, faults) = (numbers[0], numbers[1], numbers[2])
        (crashes, commits, steps) = (numbers[3], numbers[4], numbers[5])
    }

    /// Adds one history.
    package mutating func add(_ report: HistoryReport) {
        histories += 1
        runs += report.runs
        faults += report.faults
        crashes += report.crashes
        commits += report.commits
        steps += report.steps
    }

    /// Adds the sums of others.
    package mutating func add(_ other: HistoryTotal) {
        histories += other.histories
        runs += other.runs
        faults += other.faults
        crashes += other.crashes
        commits += other.commits
        steps += other.steps
    }

    /// For people, and for `init(line:)`.
    package var line: String {
        "\(histories) histories, \(runs) runs, \(faults) faults, \(crashes) crashes, \(commits) commits, \(steps) steps"
    }
}
