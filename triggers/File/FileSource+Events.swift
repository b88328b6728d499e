// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchReactor

/// What the kernel reports.
extension FileSource {
    /// Takes the next events, up to a bound: the descriptor stays readable while there are more.
    func readEvents() {
        for _ in 0..<8 {
            guard let events = watcher?.read(), !events.isEmpty else { break }
            for event in events { take(event) }
        }
        work()
    }

    private func take(_ event: WatchEvent) {
        if event.kind == .overflow { return lookEverywhere() }
        guard let nodes = watched[event.watch] else { return }
        if event.kind != .changed { return ended(event, nodes) }
        // The directory's own attributes: a permission may have changed.
        guard !event.name.isEmpty else {
            for node in nodes {
                armAbsentChildren(of: node)
                scanLater(node)
            }
            return
        }
        for node in nodes { changed(event.name, in: node, isEvent: true) }
    }

    /// A watched directory was deleted, moved or unmounted.
    private func ended(_ event: WatchEvent, _ nodes: [DirectoryNode]) {
        watched[event.watch] = nil
        if event.kind == .movedAway { watcher?.unwatch(event.watch) }
        for node in nodes {
            node.watch = nil
            disarm(node)
        }
        for node in nodes where node.isWanted { arm(node) }
    }

    /// The kernel's queue was full and events were lost: every directory is checked and looked into again.
    func lookEverywhere() {
        verify(root)
        for nodes in watched.sorted(by: { $0.key < $1.key }).map(\.value) { nodes.forEach { scanLater($0) } }
    }

    /// Whether an entry is a directory; where that cannot be told now, it is asked again later.
    private func isDirectory(_ path: String, in node: DirectoryNode) -> Bool {
        switch files.status(of: path, followsLinks: true) {
        case .success(let status): return status.isDirectory
        case .failure(let fault):
            // What is not there is gone, or what a link leads to.
            let isMissing = fault.number == ENOENT || fault.number == ENOTDIR
            if !Self.meansNothing(fault.number) { node.hasUnclearEntries = true }
            if !isMissing || isLink(path) { scanAgain(node) }
        }
        return false
    }

    /// Something has happened to an entry of a directory, or the entry was met in looking into it.
    func changed(_ name: String, in node: DirectoryNode, isEvent: Bool) {
        for group in node.leaves {
            if let waiters = group.exact[name] {
                for waitID in waiters.ids { look(waitID, at: node.path(of: name)) }
            }
            for (pattern, waiters) in group.patterns where pattern.matches(name) {
                for waitID in waiters.ids { match(waitID, at: node.path(of: name)) }
            }
        }
        if let child = node.children[name] {
            if child.isAbsent { arm(child) } else if isEvent { verify(child) }
        }
        guard !node.branches.isEmpty else { return }
        for group in node.branches where group.directory[node.depth].matches(name) {
            if isDirectory(node.path(of: name), in: node) { follow(group, into: name, of: node) }
        }
    }
}
