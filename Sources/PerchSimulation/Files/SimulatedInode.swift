// SPDX-License-Identifier: Apache-2.0

internal import PerchTriggersFile

/// One file, directory or link of a simulated tree.
final class SimulatedInode {
    enum Kind {
        case file
        case directory
        case link(String)
    }

    /// A watch of one watcher on this directory.
    struct Watch {
        var watcher: SimulatedWatcher
        var number: Int32
    }

    let number: UInt64
    let kind: Kind
    /// Of a file: its length, and its bytes where a script gave any.
    var size: Int64 = 0
    var content: [UInt8]?
    /// Nanoseconds since the epoch.
    var modified: Int64
    /// Of a directory.
    var entries: [String: SimulatedInode] = [:]
    weak var parent: SimulatedInode?
    /// In the order in which they were set.
    var watches: [Watch] = []

    /// Whether a directory may be read and searched.
    var isOpen = true
    /// Asking for it fails so.
    var fault: FileFault?
    /// A file system is mounted here.
    var mount: Mount?

    struct Mount {
        var type: UInt64
        /// Whether changes in it are reported to watchers.
        var reportsChanges: Bool
    }

    init(number: UInt64, kind: Kind, modified: Int64) {
        self.number = number
        self.kind = kind
        self.modified = modified
        if case .directory = kind { size = 4_096 }
        if case .link(let target) = kind { size = Int64(target.utf8.count) }
    }

    var isDirectory: Bool { if case .directory = kind { true } else { false } }
    var isLink: Bool { if case .link = kind { true } else { false } }

    /// The nearest mount at it or above it.
    var nearestMount: (inode: SimulatedInode, mount: Mount)? {
        var inode: SimulatedInode? = self
        while let current = inode {
            if let mount = current.mount { return (current, mount) }
            inode = current.parent
        }
        return nil
    }

    func isWithin(_ other: SimulatedInode) -> Bool {
        var inode: SimulatedInode? = self
        while let current = inode {
            if current === other { return true }
            inode = current.parent
        }
        return false
    }

    var status: FileStatus {
        FileStatus(
            device: 1 + (nearestMount?.inode.number ?? 0), inode: number, size: size, modified: modified,
            isDirectory: isDirectory, isLink: isLink)
    }
}
