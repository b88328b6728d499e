// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import PerchReactor
package import PerchTriggersFile

/// How one process of a simulated machine sees the machine's files. Dead, it sees nothing and watches nothing.
///
/// Unchecked, because a simulation runs on one thread.
package final class SimulatedFileView: FileSystem, @unchecked Sendable {
    private let files: SimulatedFiles
    private var watchers: [SimulatedWatcher] = []
    private var isDead = false

    init(_ files: SimulatedFiles) {
        self.files = files
    }

    /// The process was killed: what it watched is watched no longer, and it learns nothing any more.
    package func die() {
        isDead = true
        for watcher in watchers { watcher.end() }
        watchers = []
    }

    package func status(of path: String, followsLinks: Bool) -> Result<FileStatus, FileFault> {
        Result { () throws(FileFault) in try files.find(path, followsLinks: followsLinks).status }
    }

    package func entries(of path: String) -> Result<any FileEntries, FileFault> {
        Result { () throws(FileFault) in
            let directory = try files.find(path, followsLinks: true)
            guard directory.isDirectory else { throw FileFault(ENOTDIR) }
            guard directory.isOpen else { throw FileFault(EACCES) }
            return SimulatedEntries(directory.entries.keys.sorted())
        }
    }

    package func type(of path: String) -> UInt64? {
        do {
            // 0xEF53 is ext4.
            return try files.find(path, followsLinks: true).nearestMount?.mount.type ?? 0xEF53
        } catch {  // because nobody can say of what is not there what it is
            return nil
        }
    }

    package func makeWatcher(on loop: any EventLoop, ready: @escaping () -> Void) -> (any FileWatcher)? {
        guard !isDead else { return nil }
        let watcher = SimulatedWatcher(files, loop: loop, ready: ready)
        watchers.append(watcher)
        files.watchers.append(watcher)
        return watcher
    }
}

extension SimulatedFiles {
    /// The files as a new process sees them.
    package func view() -> SimulatedFileView { SimulatedFileView(self) }
}

/// The names that a directory had when it was opened, in their order.
private final class SimulatedEntries: FileEntries {
    private var names: ArraySlice<String>

    init(_ names: [String]) { self.names = names[...] }

    func next() -> String? { names.popFirst() }

    func close() { names = [] }
}
