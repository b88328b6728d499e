// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// A process that takes part: an engine role, a bundle, detached work.
public struct ProcessRow: Sendable, Hashable {
    /// Unique for ever; owns leases and dispatches.
    public var processID: Int64
    /// `scheduler`, `triggerer`, `worker`, `api-server`, `bundle`.
    public var role: String
    public var pid: Int32
    /// In clock ticks since boot, from `/proc/<pid>/stat`: with the boot id it tells a process from a later one of the same pid.
    public var startTime: Int64
    public var bootID: String
    public var host: String
    public var startedAt: Timestamp
    /// Its leases are void after this.
    public var leaseUntil: Timestamp
}
