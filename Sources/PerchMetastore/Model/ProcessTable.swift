// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
package import PerchSDK

/// The processes of a machine, as far as an engine asks for them: which live, whose they are, and how one is ended.
package protocol ProcessTable: Sendable {
    /// The calling process.
    func current() throws(PerchError) -> ProcessIdentity
    /// The process that has an id now; nil where there is none.
    func identity(of pid: Int32) -> ProcessIdentity?
    /// The process that started another one.
    func parent(of pid: Int32) -> Int32?
    /// Whether it was recorded on this machine.
    func isOfThisHost(_ row: ProcessRow) -> Bool
    /// Whether it was recorded on this machine since that was started.
    func isOfThisBoot(_ row: ProcessRow) -> Bool
    /// A descriptor that can be read when a process of this machine has ended, the caller's to close; nil where there is
    /// none to be had.
    func exitDescriptor(of row: ProcessRow) -> Int32?
    /// How many bytes of memory a process has at this moment; nil where that is not known.
    func residentMemory(of pid: Int32) -> Int64?
    /// How long the processors have worked for a process, with all its threads; nil where that is not known.
    func processorTime(of pid: Int32) -> TimeSpan?
    /// Ends a recorded bundle whose engine is gone, and what it started. Returns whether there was anything to end.
    func end(_ row: ProcessRow, mark: String) -> Bool
}

extension ProcessTable {
    package func exitDescriptor(of row: ProcessRow) -> Int32? { nil }
    package func residentMemory(of pid: Int32) -> Int64? { nil }
    package func processorTime(of pid: Int32) -> TimeSpan? { nil }

    /// Whether the process that was recorded is the one that runs under its id now.
    package func isAlive(_ row: ProcessRow) -> Bool {
        isOfThisBoot(row) && identity(of: row.pid)?.startTime == row.startTime
    }

    /// Whether it ran on this machine and has certainly ended. False for those of other machines: of them only their lease
    /// tells.
    package func hasEnded(_ row: ProcessRow) -> Bool {
        isOfThisHost(row) && !isAlive(row)
    }
}

/// The processes of this machine.
public struct SystemProcesses: ProcessTable {
    /// The table of this machine.
    public init() {}

    package func current() throws(PerchError) -> ProcessIdentity { try ProcessIdentity.current() }

    package func identity(of pid: Int32) -> ProcessIdentity? { ProcessIdentity(of: pid) }

    package func parent(of pid: Int32) -> Int32? {
        var parent: pid_t = 0
        return clinux_parent(pid, &parent) == 0 ? parent : nil
    }

    package func residentMemory(of pid: Int32) -> Int64? {
        let bytes = clinux_resident_memory(pid)
        return bytes < 0 ? nil : bytes
    }

    package func processorTime(of pid: Int32) -> TimeSpan? {
        var clock = clockid_t()
        var time = timespec()
        guard pid > 0, clock_getcpuclockid(pid, &clock) == 0, clock_gettime(clock, &time) == 0 else { return nil }
        return TimeSpan(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)
    }

    package func isOfThisHost(_ row: ProcessRow) -> Bool { row.host == ProcessIdentity.thisHost }

    package func isOfThisBoot(_ row: ProcessRow) -> Bool {
        row.bootID == ProcessIdentity.thisBoot && isOfThisHost(row)
    }

    package func exitDescriptor(of row: ProcessRow) -> Int32? {
        let descriptor = clinux_pidfd_open(row.pid)
        guard descriptor >= 0 else { return nil }
        // Looked at after the descriptor was had: it cannot be a later process of that id now.
        guard isAlive(row) else {
            close(descriptor)
            return nil
        }
        return descriptor
    }

    package func end(_ row: ProcessRow, mark: String) -> Bool {
        guard isOfThisBoot(row) else { return false }
        // Of a bundle that is gone only what carries its mark is ended: its session's number may be another's by now.
        let leads = isAlive(row)
        if leads { kill(row.pid, SIGKILL) }
        let others = clinux_kill_session(row.pid, leads ? row.pid : 0, mark)
        return leads || others > 0
    }
}
