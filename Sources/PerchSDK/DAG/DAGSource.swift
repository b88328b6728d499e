// SPDX-License-Identifier: Apache-2.0

/// Where the text stands that a DAG was declared in.
package enum DAGSource: Sendable, Hashable {
    /// A file of Swift by its absolute path where it was compiled; it need not be where the program runs.
    case file(String)
    /// The text of a file of DAGs, as it was read.
    case text(String, file: String)
}
