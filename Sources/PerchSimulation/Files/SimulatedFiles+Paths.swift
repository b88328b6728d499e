// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchTriggersFile

/// Finding what is at a path, and asking for it.
extension SimulatedFiles {
    /// Where a path leads: the directory that holds its last component, and what is there.
    struct Place {
        var directory: SimulatedInode
        var name: String
        var inode: SimulatedInode?
    }

    /// Follows a path. `asked`: by the engine, which may not enter every directory; scripts may.
    func place(
        of path: String, followsLast: Bool, asked: Bool = false, links: Int = 0
    ) throws(FileFault) -> Place {
        guard path.hasPrefix("/") else { throw FileFault(EINVAL) }
        guard links <= 40 else { throw FileFault(ELOOP) }
        var components = path.split(separator: "/").map(String.init)
        guard let last = components.popLast() else { throw FileFault(EEXIST) }
        var directory = root
        var walked = ""
        for name in components {
            let inode = try entry(name, of: directory, walked, asked: asked, links: links)
            guard let inode else { throw FileFault(ENOENT) }
            guard inode.isDirectory else { throw FileFault(ENOTDIR) }
            directory = inode
            walked += "/\(name)"
        }
        if asked, !directory.isOpen { throw FileFault(EACCES) }
        let inode = directory.entries[last]
        if followsLast, let inode, case .link(let target) = inode.kind {
            return try place(
                of: absolute(target, in: walked), followsLast: true, asked: asked, links: links + 1)
        }
        return Place(directory: directory, name: last, inode: inode)
    }

    /// An entry that is on a path's way; links are followed.
    private func entry(
        _ name: String, of directory: SimulatedInode, _ walked: String, asked: Bool, links: Int
    ) throws(FileFault) -> SimulatedInode? {
        if asked, !directory.isOpen { throw FileFault(EACCES) }
        guard let inode = directory.entries[name] else { return nil }
        guard case .link(let target) = inode.kind else { return inode }
        return try place(of: absolute(target, in: walked), followsLast: true, asked: asked, links: links + 1).inode
    }

    private func absolute(_ target: String, in directory: String) -> String {
        target.hasPrefix("/") ? target : "\(directory)/\(target)"
    }

    /// What the engine finds at a path.
    func find(_ path: String, followsLinks: Bool) throws(FileFault) -> SimulatedInode {
        let inode = path == "/" ? root : try place(of: path, followsLast: followsLinks, asked: true).inode
        guard let inode else { throw FileFault(ENOENT) }
        if let fault = inode.fault { throw fault }
        return inode
    }

    // MARK: for scripts and checks

    /// Whether something is at a path, links followed.
    package func exists(_ path: String) -> Bool { inode(at: path) != nil }

    /// The length of a file; nil where there is none.
    package func size(of path: String) -> Int64? {
        inode(at: path).flatMap { $0.isDirectory ? nil : $0.size }
    }

    /// The bytes of a file; nil where there is none, or nobody gave it any.
    package func content(of path: String) -> [UInt8]? { inode(at: path)?.content }

    /// The names in a directory, in their order.
    package func names(in path: String) -> [String] {
        inode(at: path)?.entries.keys.sorted() ?? []
    }

    /// What a script finds at a path.
    func inode(at path: String) -> SimulatedInode? {
        guard path != "/" else { return root }
        do {
            return try place(of: path, followsLast: true).inode
        } catch {  // because a path that leads nowhere holds nothing
            return nil
        }
    }
}
