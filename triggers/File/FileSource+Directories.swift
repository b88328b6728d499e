// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchReactor
internal import PerchSDK

/// The tree of directories: which are watched, which are waited for, which are polled.
extension FileSource {
    // MARK: Growing and shrinking

    /// Follows a group from a directory on its way down to where its files are, as far as names lead; patterns go on
    /// when the directory has been looked into.
    func extend(_ group: WaitGroup, to start: DirectoryNode) {
        var node = start
        while node.depth < group.directory.count {
            guard case .name(let name) = group.directory[node.depth] else {
                guard !node.branches.contains(where: { $0 === group }) else { return }
                node.branches.append(group)
                group.places.append(node)
                return begin(node)
            }
            node = child(name, of: node)
        }
        guard !node.leaves.contains(where: { $0 === group }) else { return }
        node.leaves.append(group)
        group.places.append(node)
        begin(node)
    }

    /// A group has come to a directory: it is watched from now on, and then looked into.
    private func begin(_ node: DirectoryNode) {
        if node.isAbsent { attend(node) }
        if node.watch != nil {
            watchWrites(in: node)
            scanLater(node)
        } else if !node.isAbsent, node.pollReason == nil {
            arm(node)
        } else if node.pollReason != nil {
            scanLater(node)
        }
    }

    private func child(_ name: String, of node: DirectoryNode) -> DirectoryNode {
        if let child = node.children[name] { return child }
        let child = DirectoryNode(name: name, parent: node)
        node.children[name] = child
        directoryCount += 1
        // Below what is not there, nothing is.
        if node.isAbsent {
            child.presence = .absent("does not exist")
            node.absentChildren += 1
        }
        return child
    }

    /// Ends what nobody wants any more: the watch of a directory, the directory itself, and so on upward.
    func settle(_ node: DirectoryNode) {
        if node.isWanted {
            if node.watch == nil, node.pollReason == nil, !node.isAbsent { arm(node) }
            return
        }
        disarm(node)
        guard node.isUnused, let parent = node.parent, parent.children[node.name] === node else { return }
        parent.children[node.name] = nil
        directoryCount -= 1
        if node.isAbsent { parent.absentChildren -= 1 }
        settle(parent)
    }

    // MARK: Watches

    /// Watches a directory and has it looked into; finds out whether it is there at all.
    func arm(_ node: DirectoryNode) {
        let result = watchResult(node)
        switch -result {
        case ..<0, 0:
            node.watch = result
            watched[result, default: []].append(node)
            startVerifying()
            poll(node, because: unreliability(of: node))
            appeared(node)
        case ENOENT: vanished(node, "does not exist")
        case ENOTDIR: vanished(node, "is not a directory")
        case EACCES:
            poll(node, because: "it may not be read (permission denied)")
            appeared(node)
        case ENOSPC:
            poll(node, because: "the limit of watches is reached (fs.inotify.max_user_watches)")
            appeared(node)
        case let number:
            poll(node, because: "it cannot be watched (\(ReactorError.text(of: number)))")
            appeared(node)
        }
    }

    /// The new watch, or a negative errno.
    private func watchResult(_ node: DirectoryNode) -> Int32 {
        switch files.status(of: node.path, followsLinks: true) {
        case .failure(let fault): return -fault.number
        case .success(let status):
            guard status.isDirectory else { return -ENOTDIR }
            node.device = status.device
            node.inode = status.inode
        }
        guard let watcher else { return -EMFILE }
        if let limit = options.watchLimit, watched.count >= limit { return -ENOSPC }
        node.watchesWrites = node.wantsWrites
        return watcher.watch(node.path, writes: node.watchesWrites)
    }

    /// Why a watch alone is not to be relied upon there: other machines, or layers below, change files unseen.
    private func unreliability(of node: DirectoryNode) -> String? {
        guard let type = files.type(of: node.path), let name = Self.unreliable[type] else { return nil }
        return "its file system (\(name)) does not report every change"
    }

    /// By the magic numbers of statfs(2).
    private static let unreliable: [UInt64: String] = [
        0x6969: "NFS", 0xFF53_4D42: "CIFS", 0xFE53_4D42: "SMB", 0x517B: "SMB", 0x6573_5546: "FUSE",
        0x794C_7630: "overlay", 0x0102_1997: "9p", 0x00C3_6400: "Ceph", 0x0BD0_0BD0: "Lustre", 0x5346_414F: "AFS",
        0x4750_4653: "GPFS",
    ]

    /// Has writes to the files of a directory reported too, where some wait depends on a size.
    func watchWrites(in node: DirectoryNode) {
        guard node.watch != nil, node.wantsWrites, !node.watchesWrites, let watcher else { return }
        let watch = watcher.watch(node.path, writes: true)
        node.watchesWrites = watch == node.watch
        guard !node.watchesWrites else { return }
        // Another directory stands at the path by now, or none: the events that tell so are still to come.
        if watch >= 0, watched[watch] == nil { watcher.unwatch(watch) }
        verify(node)
    }

    /// Ends the watch and the polling of a directory.
    func disarm(_ node: DirectoryNode) {
        poll(node, because: nil)
        guard let watch = node.watch else { return }
        node.watch = nil
        watched[watch]?.removeAll { $0 === node }
        if watched[watch]?.isEmpty == true {
            watched[watch] = nil
            watcher?.unwatch(watch)
        }
        stopVerifyingIfIdle()
    }

    /// A directory is there: what was waited for below it is tried, and its files are looked at.
    private func appeared(_ node: DirectoryNode) {
        if node.isAbsent {
            node.presence = .present
            node.parent?.absentChildren -= 1
        }
        if !node.leaves.isEmpty || !node.branches.isEmpty { scanLater(node) }
        armAbsentChildren(of: node)
        // It may have been watched for the sake of a child alone, and its parent for its own.
        settle(node)
        if let parent = node.parent { settle(parent) }
    }

    func armAbsentChildren(of node: DirectoryNode) {
        guard node.absentChildren > 0 else { return }
        for child in node.sortedChildren where child.isAbsent { arm(child) }
    }

    /// A directory is not there: it is waited for in its parent.
    private func vanished(_ node: DirectoryNode, _ reason: String) {
        disarm(node)
        node.lastLook = loop.now
        guard let parent = node.parent else { return }
        for child in node.sortedChildren { release(child) }
        if !node.isAbsent { parent.absentChildren += 1 }
        node.presence = .absent(reason)
        node.fault = 0
        attend(node)
        forgetMatched(below: node)
        guard node.isWanted else { return settle(node) }
        // Watching the parent tries its absent children once more, this one among them: what appears before the watch
        // is found then, what appears after it is reported.
        settle(parent)
    }

    /// What stood below a directory that has gone is gone, or moved with it out of sight.
    private func release(_ node: DirectoryNode) {
        for child in node.sortedChildren { release(child) }
        disarm(node)
        guard !node.isAbsent else { return }
        node.presence = .absent("does not exist")
        attend(node)
        node.parent?.absentChildren += 1
    }

    /// Takes groups off the directories that a pattern had found and that are gone: found again, they come again.
    private func forgetMatched(below gone: DirectoryNode) {
        func visit(_ node: DirectoryNode) {
            for child in node.sortedChildren { visit(child) }
            let steps = (gone.depth - 1)..<node.depth
            func cameByPattern(_ group: WaitGroup) -> Bool {
                group.directory[steps].contains { if case .pattern = $0 { true } else { false } }
            }
            for group in (node.leaves + node.branches) where cameByPattern(group) {
                group.places.removeAll { $0 === node }
                node.leaves.removeAll { $0 === group }
                node.branches.removeAll { $0 === group }
            }
            guard node !== gone, node.isUnused, let parent = node.parent else { return }
            parent.children[node.name] = nil
            directoryCount -= 1
            if node.isAbsent { parent.absentChildren -= 1 }
        }
        visit(gone)
    }

    // MARK: Checking again

    /// Finds out whether a directory is still the one that is watched; watches what is there now if it is not.
    func verify(_ node: DirectoryNode) {
        if node.watch != nil || node.pollReason != nil {
            guard case .success(let status) = files.status(of: node.path, followsLinks: true),
                status.device == node.device, status.inode == node.inode
            else {
                disarm(node)
                return arm(node)
            }
        }
        for child in node.sortedChildren { if child.isAbsent { arm(child) } else { verify(child) } }
    }

    /// No event tells that a directory further up was moved or mounted over, so it is looked for now and then.
    private func startVerifying() {
        guard verifyTimer == nil else { return }
        verifyTimer = loop.schedule(at: loop.now + verifyPeriod) { [weak self] in
            guard let self else { return }
            verifyTimer = nil
            verify(root)
            if !watched.isEmpty { startVerifying() }
            work()
        }
    }

    private func stopVerifyingIfIdle() {
        guard watched.isEmpty, let timer = verifyTimer else { return }
        loop.cancel(timer)
        verifyTimer = nil
    }
}
