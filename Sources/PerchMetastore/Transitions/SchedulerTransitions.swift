// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// A scheduler, as the metastore knows it.
public enum SchedulerRow {
    /// Its role, in the table of processes.
    public static let role = "scheduler"
}

extension Transaction {
    /// Records a scheduler; gives its id. It holds nothing under that: the row says that it lives.
    public func registerScheduler(_ identity: ProcessIdentity, lease: TimeSpan) throws -> Int64 {
        try registerProcess(
            role: SchedulerRow.role, pid: identity.pid, startTime: identity.startTime, bootID: identity.bootID,
            host: identity.host, lease: lease)
    }
}

extension Snapshot {
    /// Recorded schedulers whose leases hold, in the order in which they were recorded. One that was killed a moment ago is
    /// among them.
    public func liveSchedulers() throws -> [ProcessRow] {
        try processes(role: SchedulerRow.role).filter { $0.leaseUntil > now }
    }
}
