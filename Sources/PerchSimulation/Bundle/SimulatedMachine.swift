// SPDX-License-Identifier: Apache-2.0

package import PerchMetastore
internal import PerchSDK

/// The processes of one simulated machine: their numbers, whose they are, and how each is ended.
///
/// Unchecked, because a simulation runs on one thread.
package final class SimulatedMachine: @unchecked Sendable {
    private struct Entry {
        var startTime: Int64
        var parent: Int32
        var end: () -> Void
    }

    /// The machine's name.
    package let host: String
    /// Counts the machine's starts.
    private var boot = 1
    private var nextPID: Int32 = 100
    private var starts: Int64 = 0
    private var table: [Int32: Entry] = [:]

    /// A machine on which nothing runs.
    package init(host: String = "simulated") {
        self.host = host
    }

    private var bootID: String { "boot \(boot) of \(host)" }

    /// Adds a process; numbers come again after a while, as they do.
    package func add(parent: Int32 = 1, end: @escaping () -> Void) -> Int32 {
        repeat { nextPID = nextPID == 199 ? 100 : nextPID + 1 } while table[nextPID] != nil
        starts += 1
        table[nextPID] = Entry(startTime: starts, parent: parent, end: end)
        return nextPID
    }

    /// A process has ended.
    package func remove(_ pid: Int32) {
        table[pid] = nil
    }

    /// The machine has lost its power: nothing runs, and numbers mean something else from here on.
    package func lostPower() {
        boot += 1
        for (_, entry) in table.sorted(by: { $0.key < $1.key }) { entry.end() }
        table = [:]
    }

    /// How many processes there are.
    package var count: Int { table.count }

    private func identity(of pid: Int32) -> ProcessIdentity? {
        table[pid].map { ProcessIdentity(pid: pid, startTime: $0.startTime, bootID: bootID, host: host) }
    }

    /// The machine as one of its processes sees it.
    package func view(of pid: Int32) -> any ProcessTable { View(machine: self, pid: pid) }

    private struct View: ProcessTable {
        var machine: SimulatedMachine
        var pid: Int32

        func current() throws(PerchError) -> ProcessIdentity {
            guard let own = machine.identity(of: pid) else {
                throw PerchError(.unavailable, "the process \(pid) is dead")
            }
            return own
        }

        func identity(of pid: Int32) -> ProcessIdentity? { machine.identity(of: pid) }

        func parent(of pid: Int32) -> Int32? { machine.table[pid]?.parent }

        func isOfThisHost(_ row: ProcessRow) -> Bool { row.host == machine.host }

        func isOfThisBoot(_ row: ProcessRow) -> Bool { isOfThisHost(row) && row.bootID == machine.bootID }

        func end(_ row: ProcessRow, mark: String) -> Bool {
            guard isAlive(row) else { return false }
            machine.table.removeValue(forKey: row.pid)?.end()
            return true
        }
    }
}
