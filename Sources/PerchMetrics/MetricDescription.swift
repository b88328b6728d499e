// SPDX-License-Identifier: Apache-2.0

/// What a metric is, before anything is measured: its name as it is exported, what it says, and how it is kept.
package struct MetricDescription: Sendable, Hashable {
    /// How the values of a metric are kept.
    package enum Kind: Sendable, Hashable {
        case counter
        case gauge
        /// The upper bounds of the buckets, ascending; the bucket without a bound is added.
        case histogram([Double])
    }

    package var name: String
    package var help: String
    package var kind: Kind
    /// The names of its labels.
    package var labels: [String]

    /// A description from its parts.
    package init(_ name: String, _ help: String, _ kind: Kind, labels: [String] = []) {
        self.name = name
        self.help = help
        self.kind = kind
        self.labels = labels
    }

    /// From a tenth of a millisecond to a minute; for what is measured in seconds.
    package static let seconds: [Double] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]

    /// From one to ten thousand; for sizes of groups.
    package static let sizes: [Double] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000]
}
