// SPDX-License-Identifier: Apache-2.0

package import PerchReactor

/// Files and directories as a source asks for them. Production has the system's own, the simulation one in memory.
package protocol FileSystem: AnyObject {
    /// What is at a path, or the errno; of a link itself, or of what it leads to.
    func status(of path: String, followsLinks: Bool) -> Result<FileStatus, FileFault>
    /// The entries of a directory, to be read in portions, or the errno.
    func entries(of path: String) -> Result<any FileEntries, FileFault>
    /// The type of the file system that holds a path, as statfs(2) numbers it; nil where it cannot be asked for.
    func type(of path: String) -> UInt64?
    /// Watches directories from a loop's thread. Calls `ready` in a turn of the loop when there are events, and again
    /// until all are read. Nil where the system gives no watcher.
    func makeWatcher(on loop: any EventLoop, ready: @escaping () -> Void) -> (any FileWatcher)?
}

/// What stat(2) says about a path.
package struct FileStatus: Equatable, Sendable {
    package var device: UInt64
    package var inode: UInt64
    package var size: Int64
    /// Nanoseconds since the epoch.
    package var modified: Int64
    package var isDirectory: Bool
    package var isLink: Bool

    /// A status from its parts.
    package init(device: UInt64, inode: UInt64, size: Int64, modified: Int64, isDirectory: Bool, isLink: Bool) {
        self.device = device
        self.inode = inode
        self.size = size
        self.modified = modified
        self.isDirectory = isDirectory
        self.isLink = isLink
    }
}

/// The errno with which a call has failed.
package struct FileFault: Error, Equatable, Sendable {
    package var number: Int32

    /// A fault by its errno.
    package init(_ number: Int32) {
        self.number = number
    }
}

/// The names in a directory, `.` and `..` left out.
package protocol FileEntries: AnyObject {
    /// The next name; nil at the end.
    func next() -> String?
    /// Reads no more.
    func close()
}

/// Watches directories for changes of their entries, as inotify(7) does it.
package protocol FileWatcher: AnyObject {
    /// Watches a directory, with every write to its files if wanted; a directory that is watched already has its watch
    /// extended. The watch, or a negative errno.
    func watch(_ path: String, writes: Bool) -> Int32
    /// Ends a watch; one that has ended already is ignored.
    func unwatch(_ watch: Int32)
    /// The next events, so many as fit into a buffer; empty when there are no more.
    func read() -> [WatchEvent]
    /// Ends every watch. `ready` is not called any more.
    func close()
}

/// What a watcher reports.
package struct WatchEvent: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// Something has happened to an entry of the directory, or to the attributes of the directory itself.
        case changed
        /// The directory was moved; its watch goes on.
        case movedAway
        /// The directory was deleted or unmounted, or is no longer watched.
        case gone
        /// The queue was full: events are lost.
        case overflow
    }

    /// The watch; negative for an overflow.
    package var watch: Int32
    package var kind: Kind
    /// The entry of the directory that it is about; empty where it is about the directory itself.
    package var name: String

    /// An event from its parts.
    package init(watch: Int32, kind: Kind, name: String = "") {
        self.watch = watch
        self.kind = kind
        self.name = name
    }
}
