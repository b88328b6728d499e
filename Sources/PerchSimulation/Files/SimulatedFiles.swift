// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchTriggersFile

/// The files of one simulated machine. They outlive its engines; each engine sees them through a view of its own.
///
/// Every operation is one that a system call would be, reports to watchers what that call would report, in its order, and
/// gives 0 or the errno.
///
/// The files of the type: this one changes them, `+Paths` finds them, `+Faults` breaks them.
///
/// Unchecked, because a simulation runs on one thread.
package final class SimulatedFiles: @unchecked Sendable {
    /// Microseconds since the epoch: where the times of changes come from.
    let now: () -> Int64
    let root: SimulatedInode
    private var lastInode: UInt64 = 1
    /// Those of all living views, in the order of their making.
    var watchers: [SimulatedWatcher] = []

    /// The most watches in all; nil: as many as are asked for.
    package var watchLimit: Int?
    /// The most events that a watcher keeps.
    package var queueLimit = 16_384
    /// How many microseconds it may take until a watcher learns of an event, by its loop's clock; 0: the next turn.
    package var latency: ClosedRange<Int64> = 20...2_000

    /// An empty tree.
    package init(now: @escaping () -> Int64) {
        self.now = now
        root = SimulatedInode(number: 1, kind: .directory, modified: now() * 1_000)
    }

    /// How many watches are set, by all views.
    package var watchCount: Int { watchers.reduce(0) { $0 + $1.watchCount } }

    // MARK: Files

    /// Writes a file as open, write and close do it: creates it, or cuts it off and writes it anew.
    ///
    /// - Parameters:
    ///   - modifiedAt: microseconds since the epoch, set afterwards; nil: the present.
    ///   - closes: false: the writer holds it open; `closeWriter` ends that.
    @discardableResult
    package func write(_ path: String, size: Int64, modifiedAt: Int64? = nil, closes: Bool = true) -> Int32 {
        write(path, size, content: nil, modifiedAt, closes: closes)
    }

    /// Writes a file with what it holds.
    @discardableResult
    package func write(_ path: String, content: [UInt8], modifiedAt: Int64? = nil, closes: Bool = true) -> Int32 {
        write(path, Int64(content.count), content: content, modifiedAt, closes: closes)
    }

    private func write(
        _ path: String, _ size: Int64, content: [UInt8]?, _ modifiedAt: Int64?, closes: Bool
    ) -> Int32 {
        step { () throws(FileFault) in
            let place = try place(of: path, followsLast: true)
            let file: SimulatedInode
            if let known = place.inode {
                guard !known.isDirectory else { throw FileFault(EISDIR) }
                file = known
                report(.modify, place.name, in: place.directory)
            } else {
                file = makeInode(.file)
                insert(file, place.name, into: place.directory)
                report(.create, place.name, in: place.directory)
            }
            file.size = size
            file.content = content
            file.modified = now() * 1_000
            if size > 0 { report(.modify, place.name, in: place.directory) }
            if closes { report(.closeWrite, place.name, in: place.directory) }
            guard let modifiedAt else { return }
            file.modified = modifiedAt * 1_000
            report(.attributes, place.name, in: place.directory)
        }
    }

    /// Makes a file grow at its end; creates it where it is not there.
    @discardableResult
    package func append(_ path: String, _ bytes: Int64, closes: Bool = true) -> Int32 {
        step { () throws(FileFault) in
            let place = try place(of: path, followsLast: true)
            let file: SimulatedInode
            if let known = place.inode {
                guard !known.isDirectory else { throw FileFault(EISDIR) }
                file = known
            } else {
                file = makeInode(.file)
                insert(file, place.name, into: place.directory)
                report(.create, place.name, in: place.directory)
            }
            if bytes > 0 {
                file.size += bytes
                file.content = nil
                file.modified = now() * 1_000
                report(.modify, place.name, in: place.directory)
            }
            if closes { report(.closeWrite, place.name, in: place.directory) }
        }
    }

    /// The writer of a file closes it.
    @discardableResult
    package func closeWriter(_ path: String) -> Int32 {
        step { () throws(FileFault) in
            let place = try place(of: path, followsLast: true)
            guard place.inode != nil else { throw FileFault(ENOENT) }
            report(.closeWrite, place.name, in: place.directory)
        }
    }

    /// Sets the time of the last change, in nanoseconds since the epoch.
    @discardableResult
    package func touch(_ path: String, nanoseconds: Int64) -> Int32 {
        step { () throws(FileFault) in
            let place = try place(of: path, followsLast: true)
            guard let inode = place.inode else { throw FileFault(ENOENT) }
            inode.modified = nanoseconds
            report(.attributes, place.name, in: place.directory)
        }
    }

    /// Makes a link to a path, which need not be there.
    @discardableResult
    package func link(_ path: String, to target: String) -> Int32 {
        step { () throws(FileFault) in
            let place = try place(of: path, followsLast: false)
            guard place.inode == nil else { throw FileFault(EEXIST) }
            insert(makeInode(.link(target)), place.name, into: place.directory)
            report(.create, place.name, in: place.directory)
        }
    }

    /// Removes a file or link.
    @discardableResult
    package func remove(_ path: String) -> Int32 {
        step { () throws(FileFault) in
            let place = try place(of: path, followsLast: false)
            guard let inode = place.inode else { throw FileFault(ENOENT) }
            guard !inode.isDirectory else { throw FileFault(EISDIR) }
            detach(place.name, from: place.directory)
            report(.delete, place.name, in: place.directory)
        }
    }

    // MARK: Directories

    /// Makes a directory.
    @discardableResult
    package func makeDirectory(_ path: String) -> Int32 {
        step { () throws(FileFault) in
            let place = try place(of: path, followsLast: false)
            guard place.inode == nil else { throw FileFault(EEXIST) }
            insert(makeInode(.directory), place.name, into: place.directory)
            report(.create, place.name, in: place.directory)
        }
    }

    /// Makes a directory and those above it that are not there.
    @discardableResult
    package func makeDirectories(_ path: String) -> Int32 {
        var made = ""
        for component in path.split(separator: "/") {
            made += "/\(component)"
            let number = makeDirectory(made)
            guard number == 0 || number == EEXIST else { return number }
        }
        return 0
    }

    /// Removes an empty directory.
    @discardableResult
    package func removeDirectory(_ path: String) -> Int32 {
        step { () throws(FileFault) in
            let place = try place(of: path, followsLast: false)
            guard let inode = place.inode else { throw FileFault(ENOENT) }
            guard inode.isDirectory else { throw FileFault(ENOTDIR) }
            guard inode.entries.isEmpty else { throw FileFault(ENOTEMPTY) }
            detach(place.name, from: place.directory)
            die(inode)
            report(.delete, place.name, in: place.directory)
        }
    }

    /// Moves a file, directory or link, over what stands at the new path if it may be replaced.
    @discardableResult
    package func move(_ old: String, to new: String) -> Int32 {
        step { () throws(FileFault) in
            let from = try place(of: old, followsLast: false)
            let to = try place(of: new, followsLast: false)
            guard let inode = from.inode else { throw FileFault(ENOENT) }
            if inode === to.inode { return }
            guard from.directory.nearestMount?.inode === to.directory.nearestMount?.inode else {
                throw FileFault(EXDEV)
            }
            guard !inode.isDirectory || !to.directory.isWithin(inode) else { throw FileFault(EINVAL) }
            if let replaced = to.inode {
                guard !from.directory.isWithin(replaced) else { throw FileFault(ENOTEMPTY) }
                if inode.isDirectory {
                    guard replaced.isDirectory else { throw FileFault(ENOTDIR) }
                } else if replaced.isDirectory {
                    throw FileFault(EISDIR)
                }
                guard replaced.entries.isEmpty else { throw FileFault(ENOTEMPTY) }
                detach(to.name, from: to.directory)
            }
            detach(from.name, from: from.directory)
            insert(inode, to.name, into: to.directory)
            report(.movedFrom, from.name, in: from.directory)
            report(.movedTo, to.name, in: to.directory)
            report(.moveSelf, of: inode)
            if let replaced = to.inode { die(replaced) }
        }
    }

    // MARK: The tree

    /// Does an operation: 0, or the errno.
    func step(_ operation: () throws(FileFault) -> Void) -> Int32 {
        do {
            try operation()
            return 0
        } catch {
            return error.number
        }
    }

    private func makeInode(_ kind: SimulatedInode.Kind) -> SimulatedInode {
        lastInode += 1
        return SimulatedInode(number: lastInode, kind: kind, modified: now() * 1_000)
    }

    private func insert(_ inode: SimulatedInode, _ name: String, into directory: SimulatedInode) {
        directory.entries[name] = inode
        directory.modified = now() * 1_000
        inode.parent = directory
    }

    private func detach(_ name: String, from directory: SimulatedInode) {
        directory.entries.removeValue(forKey: name)?.parent = nil
        directory.modified = now() * 1_000
    }

    /// What is gone is watched no longer.
    private func die(_ inode: SimulatedInode) {
        report(.deleteSelf, of: inode)
        let watches = inode.watches
        inode.watches = []
        for watch in watches { watch.watcher.lost(watch.number) }
    }

    func report(_ change: SimulatedChange, _ name: String, in directory: SimulatedInode) {
        guard directory.nearestMount?.mount.reportsChanges != false else { return }
        for watch in directory.watches { watch.watcher.take(change, watch.number, name) }
    }

    func report(_ change: SimulatedChange, of directory: SimulatedInode) {
        guard directory.nearestMount?.mount.reportsChanges != false else { return }
        for watch in directory.watches { watch.watcher.take(change, watch.number, "") }
    }
}
