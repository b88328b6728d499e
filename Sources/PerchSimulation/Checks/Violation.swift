// SPDX-License-Identifier: Apache-2.0

/// Something that must never be, and was.
package struct Violation: Codable, Hashable, Sendable, CustomStringConvertible {
    /// The short name of the rule.
    package var rule: String
    /// What happened, with ids.
    package var sentence: String
    /// The rows that show it.
    package var rows: [String]

    /// A violation of a rule.
    package init(_ rule: String, _ sentence: String, rows: [String] = []) {
        self.rule = rule
        self.sentence = sentence
        self.rows = rows
    }

    package var description: String {
        (["[\(rule)] \(sentence)"] + rows.map { "    " + $0 }).joined(separator: "\n")
    }
}
