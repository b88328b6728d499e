// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchReactor
internal import PerchSDK

/// Waits for something else than one file to be there: for it to go, to change, or for many.
extension FileSource {
    /// The tally of a wait that counts.
    func tally(of waitID: Int64) -> FileTally? {
        // Nearly always there is none at all.
        guard !aims.isEmpty, case .counted(let tally)? = aims[waitID] else { return nil }
        return tally
    }

    /// Looks after those waits of a group to which it matters that something is not there: no name that is read and no
    /// event leads to them.
    func attend(_ group: WaitGroup) {
        for waitID in group.attentive.sorted() {
            if let tally = tally(of: waitID) {
                tally.isDoubtful = true
                touched.insert(waitID)
            }
            if case .name? = waits[waitID]?.last { looks.append(waitID) }
        }
    }

    /// The same for all groups at a directory, which has gone, or is being looked into.
    func attend(_ node: DirectoryNode) {
        for group in node.leaves + node.branches where !group.attentive.isEmpty { attend(group) }
    }

    /// Whether an errno says that nothing is there; by links that lead in a circle, nobody comes to anything either.
    static func meansNothing(_ number: Int32) -> Bool { number == ENOENT || number == ENOTDIR || number == ELOOP }

    // MARK: One path

    /// Looks whether a path is free. A link is something, wherever it leads.
    func lookForRemoval(_ waitID: Int64, at path: String) {
        switch files.status(of: path, followsLinks: false) {
        case .success(let status):
            note(waitID, "there", status.isDirectory ? "still there" : "still there, with \(status.size) bytes")
        case .failure(let fault) where Self.meansNothing(fault.number): fireWithoutFile(waitID)
        case .failure(let fault):
            pollWait(waitID)
            note(waitID, "error \(fault.number)", Self.unknown(fault))
        }
    }

    /// Looks whether a path has something else than it had.
    func lookForChange(_ waitID: Int64, at path: String, since baseline: FileBaseline) {
        let found: FileBaseline
        switch files.status(of: path, followsLinks: true) {
        case .success(let status):
            found = .file(FileFacts(size: status.size, modified: status.modified, inode: status.inode))
        case .failure(let fault) where Self.meansNothing(fault.number): found = .nothing
        case .failure(let fault):
            pollWait(waitID)
            return note(waitID, "error \(fault.number)", Self.unknown(fault))
        }
        guard found == baseline || isFirst(found, baseline) else {
            if case .file(let facts) = found { return fire(waitID, [path: facts]) }
            return fireWithoutFile(waitID)
        }
        if found != baseline, let progress = found.progress {
            aims[waitID] = .changed(found)
            report(.progressed(waitID: waitID, progress: progress))
        }
        let isElsewhere = watchLink(waitID, path)
        note(waitID, isElsewhere ? "link" : "same", "as it was: \(found.text)")
    }

    /// Whether what was found is what changes are measured from: nobody had looked before. What was written after the
    /// wait was registered has changed all the same.
    private func isFirst(_ found: FileBaseline, _ baseline: FileBaseline) -> Bool {
        guard case .unknown(let since) = baseline else { return false }
        guard case .file(let facts) = found else { return true }
        let (modified, machineTime) = (facts.modified / 1_000, loop.machineTime)
        // The wait was registered by the engine's clock.
        return modified <= since + (machineTime - loop.now) || modified > machineTime
    }

    private static func unknown(_ fault: FileFault) -> String {
        let reason = fault.number == EACCES ? "permission denied" : ReactorError.text(of: fault.number)
        return "not known what is there: \(reason)"
    }

    // MARK: Many

    /// Looks at a path that a counting wait's pattern has met.
    func count(_ waitID: Int64, _ tally: FileTally, at path: String) {
        touched.insert(waitID)
        let answer = tally.atLeast == 0 ? judgePresence(waitID, path) : judge(waitID, path, trustsAge: false)
        tally.unclear[path] = nil
        switch answer {
        case .ready(let facts):
            unsettle(waitID, path)
            tally.files[path] = facts
        case .absent: tally.files[path] = nil
        case .notYet(let kind, let text):
            tally.files[path] = nil
            if kind == "denied" || kind.hasPrefix("error") { tally.unclear[path] = text }
        }
    }

    /// Whether anything is at a path, a link too that leads nowhere.
    private func judgePresence(_ waitID: Int64, _ path: String) -> Answer {
        switch files.status(of: path, followsLinks: false) {
        case .success(let status):
            return .ready(FileFacts(size: status.size, modified: status.modified, inode: status.inode))
        case .failure(let fault) where Self.meansNothing(fault.number): return .absent
        case .failure(let fault):
            pollWait(waitID)
            return .notYet(kind: "error \(fault.number)", Self.unknown(fault))
        }
    }

    /// When everything has been looked at: what the counts say.
    func judgeTallies() {
        guard !touched.isEmpty else { return }
        let waitIDs = touched.sorted()
        touched = []
        for waitID in waitIDs {
            guard let tally = tally(of: waitID) else { continue }
            if tally.isDoubtful || !tally.unclear.isEmpty { countAgain(waitID, tally) }
            if tally.atLeast == 0 { judgeNone(waitID, tally) } else { judgeMany(waitID, tally) }
        }
    }

    private func countAgain(_ waitID: Int64, _ tally: FileTally) {
        tally.isDoubtful = false
        for path in Set(tally.files.keys).union(tally.unclear.keys).sorted() { count(waitID, tally, at: path) }
        touched.remove(waitID)
    }

    private func judgeMany(_ waitID: Int64, _ tally: FileTally) {
        if tally.files.count >= tally.atLeast { countAgain(waitID, tally) }
        if tally.files.count >= tally.atLeast { return fire(waitID, tally.files) }
        var text = "\(tally.files.count) of at least \(tally.atLeast) are there"
        if let settling = settling[waitID]?.count, let stableFor = waits[waitID]?.stableFor {
            text += ", \(settling) more not unchanged for \(TimeSpan(microseconds: stableFor))"
        }
        if let (path, reason) = tally.unclear.min(by: { $0.key < $1.key }) { text += "; \(path): \(reason)" }
        note(waitID, "count", text)
    }

    private func judgeNone(_ waitID: Int64, _ tally: FileTally) {
        let fault = tally.unclear.min { $0.key < $1.key }.map { "\($0.key): \($0.value)" } ?? obstacle(waitID)
        guard tally.files.isEmpty, fault == nil else {
            tally.isConfirmed = false
            let count = tally.files.count
            return note(waitID, count > 0 ? "count" : "denied", count > 0 ? "\(count) still match" : fault ?? "")
        }
        guard !tally.isConfirmed else { return fireWithoutFile(waitID) }
        // One that came while the last went may not have been met.
        tally.isConfirmed = true
        touched.insert(waitID)
        lookLater(waitID)
    }

    /// What keeps it from being known that nothing matches.
    private func obstacle(_ waitID: Int64) -> String? {
        guard let wait = waits[waitID] else { return nil }
        for node in wait.group.places {
            if node.fault != 0 { return "\(node.path): \(Self.unknown(FileFault(node.fault)))" }
            if node.depth < wait.group.directory.count, node.hasUnclearEntries {
                return "in \(node.path) it is not known what is there"
            }
        }
        return nil
    }
}
