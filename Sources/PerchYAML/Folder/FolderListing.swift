// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// The files of a folder that may hold DAGs, and what tells one state of it from another.
///
/// Files end with `.yaml` or `.yml`. What begins with a dot is passed over, with everything in it: editors and version
/// control keep their own files so. Links are followed.
public struct FolderListing: Sendable, Hashable {
    /// A file, with what changes when it does.
    struct File: Sendable, Hashable {
        /// Its path in the folder.
        var name: String
        var size: Int64
        var modifiedAt: Int64
        var changedAt: Int64
        var inode: UInt64
    }

    /// What cannot be looked into.
    struct Fault: Sendable, Hashable {
        var name: String
        var message: String
    }

    /// By name.
    private(set) var files: [File] = []
    private(set) var faults: [Fault] = []
    /// The folder itself and the folders in it, by their paths.
    public private(set) var folders: [String] = []
    /// So deep folders may stand in one another.
    private static let deepest = 16

    /// Looks at a folder. One that does not exist is empty.
    public init(of path: String) {
        add("", of: path, depth: 0, around: [])
        files.sort { $0.name < $1.name }
    }

    private mutating func add(_ name: String, of root: String, depth: Int, around: [UInt64]) {
        let path = name.isEmpty ? root : "\(root)/\(name)"
        guard let directory = opendir(path) else {
            if errno != ENOENT || !name.isEmpty { fault(name.isEmpty ? "." : name, "cannot be read") }
            return
        }
        defer { closedir(directory) }
        var status = stat()
        // A link that leads back to a folder around it would never end.
        guard fstat(dirfd(directory), &status) == 0, !around.contains(UInt64(status.st_ino)) else { return }
        folders.append(path)
        var entries: [String] = []
        while let entry = readdir(directory) {
            let file = withUnsafePointer(to: entry.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !file.hasPrefix(".") { entries.append(file) }
        }
        for entry in entries.sorted() {
            let inner = name.isEmpty ? entry : "\(name)/\(entry)"
            var found = stat()
            guard stat("\(root)/\(inner)", &found) == 0 else {
                // One that went between the two calls is as gone as one that went before; a link to nothing is a fault.
                if Self.isDAGFile(entry), errno != ENOENT || Self.isLink("\(root)/\(inner)") {
                    fault(inner, "cannot be read")
                }
                continue
            }
            switch found.st_mode & S_IFMT {
            case S_IFDIR:
                if depth < Self.deepest {
                    add(inner, of: root, depth: depth + 1, around: around + [UInt64(status.st_ino)])
                } else {
                    faults.append(Fault(name: inner, message: "folders are nested deeper than \(Self.deepest)"))
                }
            case S_IFREG where Self.isDAGFile(entry):
                files.append(
                    File(
                        name: inner, size: Int64(found.st_size), modifiedAt: Self.nanoseconds(found.st_mtim),
                        changedAt: Self.nanoseconds(found.st_ctim), inode: UInt64(found.st_ino)))
            default: break
            }
        }
    }

    private mutating func fault(_ name: String, _ what: String) {
        faults.append(Fault(name: name, message: "\(what): \(String(cString: strerror(errno)))"))
    }

    private static func isDAGFile(_ name: String) -> Bool { name.hasSuffix(".yaml") || name.hasSuffix(".yml") }

    private static func isLink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    private static func nanoseconds(_ time: timespec) -> Int64 {
        Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
