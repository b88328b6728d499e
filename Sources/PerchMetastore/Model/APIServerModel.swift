// SPDX-License-Identifier: Apache-2.0

/// An API server as the metastore knows it.
public struct APIServerRow: Sendable, Hashable {
    /// Its role, in the table of processes.
    public static let role = "api-server"

    public var process: ProcessRow
    /// The version of the program that it is; nil where that was not recorded.
    public var version: String?
}
