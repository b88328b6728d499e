// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchTriggersFile

/// What goes wrong with files.
extension SimulatedFiles {
    /// Takes from the engine the right to read and enter a directory, or gives it back; chmod(2) reports that.
    @discardableResult
    package func setOpen(_ path: String, _ isOpen: Bool) -> Int32 {
        step { () throws(FileFault) in
            guard let inode = inode(at: path), inode.isDirectory else { throw FileFault(ENOENT) }
            inode.isOpen = isOpen
            report(.attributes, of: inode)
            guard let parent = inode.parent,
                let name = parent.entries.first(where: { $0.value === inode })?.key
            else { return }
            report(.attributes, name, in: parent)
        }
    }

    /// Lets every question of the engine for a path fail with an errno, which nobody reports; nil ends that.
    @discardableResult
    package func setFault(_ path: String, _ number: Int32?) -> Int32 {
        step { () throws(FileFault) in
            guard let inode = inode(at: path) else { throw FileFault(ENOENT) }
            inode.fault = number.map { FileFault($0) }
        }
    }

    /// Says that a directory is another file system of a type as statfs(2) numbers it: 0x6969 is NFS. On one whose
    /// changes come from other machines nothing is reported. Nil: it is none.
    @discardableResult
    package func setFileSystem(_ path: String, type: UInt64?, reportsChanges: Bool = false) -> Int32 {
        step { () throws(FileFault) in
            guard let inode = inode(at: path), inode.isDirectory else { throw FileFault(ENOENT) }
            inode.mount = type.map { SimulatedInode.Mount(type: $0, reportsChanges: reportsChanges) }
        }
    }

    /// Ends every fault of a directory or file, but not what is mounted.
    package func heal() {
        watchLimit = nil
        heal(root, "")
    }

    private func heal(_ inode: SimulatedInode, _ path: String) {
        inode.fault = nil
        if !inode.isOpen { setOpen(path, true) }
        for (name, entry) in inode.entries.sorted(by: { $0.key < $1.key }) { heal(entry, "\(path)/\(name)") }
    }

    /// For every watcher: the next event, and those behind it until it has read, are lost, and it is told so.
    package func overflowNext() {
        for watcher in watchers { watcher.overflowNext() }
    }
}
