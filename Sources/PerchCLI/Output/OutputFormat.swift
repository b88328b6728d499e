// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// How a command writes what it has found: `-o`.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
    /// Aligned columns with a heading, for people.
    case table
    case json
    case yaml
    /// One line an object, fields divided by tabs, without a heading: for `cut` and `awk`.
    case plain
}
