// SPDX-License-Identifier: Apache-2.0

internal import CSimulatedDisk

/// The disk of one simulated machine: files in memory that SQLite works on, and that lose in a crash what a real disk may
/// lose. What exactly is said in `simulated_disk.h`.
///
/// Unchecked, because every call is guarded by the disk's own mutex.
package final class SimulatedDisk: @unchecked Sendable {
    /// A process of the machine, as far as its files go.
    package struct Process: Sendable, Hashable {
        package var number: Int32
    }

    /// What can be made to fail.
    package enum Operation: Sendable, CaseIterable {
        case read, write, sync

        fileprivate var fault: perch_fault {
            switch self {
            case .read: perch_fault_read
            case .write: perch_fault_write
            case .sync: perch_fault_sync
            }
        }
    }

    /// How something dies.
    package enum Crash: Sendable, CaseIterable {
        /// The process that is at it: what it wrote stays.
        case kill
        /// Every process, and what was not synced is left to chance.
        case powerLoss
    }

    /// What the disk has done so far.
    package struct Counters: Sendable, Equatable {
        package var reads: Int64
        package var writes: Int64
        package var syncs: Int64
        package var bytesWritten: Int64
        /// Writes, truncates, deletes and syncs: what `crash(_:atOperation:)` counts.
        package var operations: Int64
        /// Bytes that a power loss may take.
        package var unsynced: Int64
        package var powerLosses: Int64
        /// Open files, those of the dead too.
        package var openFiles: Int64
    }

    private let disk: OpaquePointer

    /// A disk with the files of a template.
    ///
    /// - Parameter seed: Decides where the crashes of `crash(_:atOperation:)` and failing writes tear.
    package init(seed: UInt64, template: DiskImage = .empty) {
        precondition(perch_disk_register() == 0, "SQLite takes no VFS")
        disk = perch_disk_make(seed)
        for file in template.files {
            file.bytes.withUnsafeBytes { perch_disk_put(disk, file.name, $0.baseAddress, Int64($0.count)) }
        }
    }

    deinit {
        perch_disk_release(disk)
    }

    /// The name under which SQLite finds a file, opened for a process with the VFS `vfs`.
    package func path(_ name: String, of process: Process) -> String {
        "/\(perch_disk_number(disk))/\(process.number)/\(name)"
    }

    /// The name of the VFS.
    package static let vfs = "perch-simulated"

    /// What is on the medium now.
    package func image() -> DiskImage {
        var image = DiskImage.empty
        for index in 0..<perch_disk_durable_count(disk) {
            guard let name = perch_disk_durable_name(disk, index) else { break }
            let size = Int(perch_disk_durable_bytes(disk, name, nil, -1))
            let bytes = [UInt8](unsafeUninitializedCapacity: max(size, 0)) { buffer, count in
                count = Int(perch_disk_durable_bytes(disk, name, buffer.baseAddress, Int64(buffer.count)))
            }
            image.files.append(.init(name: String(cString: name), bytes: bytes))
        }
        return image
    }

    /// Everything reaches the medium, as when a machine is shut down in good order.
    package func settle() { perch_disk_settle(disk) }

    // MARK: processes and crashes

    /// A process that lives.
    package func spawn() -> Process { Process(number: perch_disk_spawn(disk)) }

    /// Whether it was killed, or the power went.
    package func isDead(_ process: Process) -> Bool { perch_disk_is_dead(disk, process.number) }

    /// How often something died so far: as long as it stands, nobody has died.
    package var deaths: Int64 { perch_disk_deaths(disk) }

    /// The process dies now: its locks and connections are gone, what it wrote stays.
    package func kill(_ process: Process) { perch_disk_kill(disk, process.number) }

    /// Every process dies now; what was not synced is left to the generator.
    package func losePower(using generator: inout some RandomNumberGenerator) {
        losePower(seed: generator.next())
    }

    /// Every process dies now; what was not synced is left to a seed.
    package func losePower(seed: UInt64) { perch_disk_lose_power(disk, seed) }

    /// The n-th operation from now ends in a crash; how much of it is done, and what a power loss leaves, is left to the
    /// disk's own seed.
    package func crash(_ crash: Crash, atOperation count: Int64) {
        perch_disk_arm(disk, count, crash == .powerLoss)
    }

    /// Takes `crash(_:atOperation:)` back.
    package func disarm() { perch_disk_arm(disk, 0, false) }

    // MARK: faults

    /// Lets operations of a kind fail with an I/O error: `count` of them (nil: all until `heal`) after `skip` good ones.
    ///
    /// A sync that failed has brought some of the writes to the medium, and the others never get there: so do systems that
    /// forget after the error which pages were not written.
    package func fail(_ operation: Operation, after skip: Int64 = 0, count: Int64? = 1) {
        perch_disk_fail(disk, operation.fault, skip, count ?? -1)
    }

    /// Nothing fails, nothing is full, nothing lies any more.
    package func heal() {
        for operation in Operation.allCases { perch_disk_fail(disk, operation.fault, 0, 0) }
        setRoom(nil)
        setLying(false)
    }

    /// The disk is full when its files have grown by so many bytes; nil: it has room for everything.
    package func setRoom(_ bytes: Int64?) { perch_disk_set_room(disk, bytes ?? -1) }

    /// Whether a sync answers that all is well without having done anything.
    package func setLying(_ isLying: Bool) { perch_disk_set_lying(disk, isLying) }

    /// What the disk has done so far.
    package var counters: Counters {
        let counters = perch_disk_count(disk)
        return Counters(
            reads: counters.reads, writes: counters.writes, syncs: counters.syncs,
            bytesWritten: counters.bytes_written, operations: counters.operations, unsynced: counters.unsynced,
            powerLosses: counters.power_losses, openFiles: counters.open_files)
    }
}
