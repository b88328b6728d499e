// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchReactor
internal import PerchSDK

/// What stat(2) said about a file that is there.
struct FileFacts: Equatable {
    var size: Int64
    /// Nanoseconds since the epoch.
    var modified: Int64
    var inode: UInt64
}

/// Judging one file.
extension FileSource {
    func isLink(_ path: String) -> Bool {
        if case .success(let status) = files.status(of: path, followsLinks: false) { status.isLink } else { false }
    }

    enum Answer {
        case ready(FileFacts)
        case absent
        case notYet(kind: String, String)
    }

    /// Looks after a wait for one name, wherever its directory is.
    func look(_ waitID: Int64, trustsAge: Bool = false) {
        guard let wait = waits[waitID] else { return }
        switch wait.last {
        case .name(let name):
            guard let node = wait.group.places.first, wait.group.places.count == 1 else {
                // A pattern of directories: each of them has its own file of the name.
                for node in wait.group.places where waits[waitID] != nil {
                    if node.depth == wait.group.directory.count {
                        look(waitID, at: node.path(of: name), trustsAge: trustsAge)
                    }
                }
                return
            }
            if node.depth == wait.group.directory.count {
                look(waitID, at: node.path(of: name), trustsAge: trustsAge)
            }
        case .pattern:
            for path in (settling[waitID] ?? [:]).keys.sorted() { match(waitID, at: path) }
        }
    }

    /// Looks at a path for a wait for one name, and fires the wait if it is as wanted.
    func look(_ waitID: Int64, at path: String, trustsAge: Bool = false) {
        switch aims.isEmpty ? nil : aims[waitID] {
        case .removed: return lookForRemoval(waitID, at: path)
        case .changed(let baseline): return lookForChange(waitID, at: path, since: baseline)
        case .counted(let tally): return count(waitID, tally, at: path)
        case nil: break
        }
        switch judge(waitID, path, trustsAge: trustsAge) {
        case .ready(let facts): fire(waitID, [path: facts])
        case .absent: note(waitID, "absent", "absent")
        case .notYet(let kind, let text): note(waitID, kind, text)
        }
    }

    /// Looks at a path that a wait's pattern has met.
    func match(_ waitID: Int64, at path: String) {
        if let tally = tally(of: waitID) { return count(waitID, tally, at: path) }
        switch judge(waitID, path, trustsAge: false) {
        case .ready(let facts): matches[waitID, default: [:]][path] = facts
        case .absent: matches[waitID]?[path] = nil
        case .notYet(let kind, let text): note(waitID, kind, "\(path): \(text)")
        }
    }

    /// Fires the waits for patterns that have found something, all finds in one event.
    func fireMatches() {
        guard !matches.isEmpty else { return }
        let found = matches.sorted { $0.key < $1.key }
        matches = [:]
        for (waitID, files) in found where !files.isEmpty { fire(waitID, files) }
    }

    func judge(_ waitID: Int64, _ path: String, trustsAge: Bool) -> Answer {
        guard let wait = waits[waitID] else { return .absent }
        let facts: FileFacts
        switch files.status(of: path, followsLinks: true) {
        case .failure(let fault): return missing(waitID, path, fault.number)
        case .success(let status):
            facts = FileFacts(size: status.size, modified: status.modified, inode: status.inode)
        }
        if facts.size < wait.minimumSize {
            unsettle(waitID, path)
            watchLink(waitID, path)
            return .notYet(kind: "small", "there, \(facts.size) of at least \(wait.minimumSize) bytes")
        }
        guard wait.stableFor > 0 else { return .ready(facts) }
        // Counted already, and as it was then.
        if let tally = tally(of: waitID), tally.files[path] == facts { return .ready(facts) }
        let now = loop.now
        if trustsAge, loop.machineTime - facts.modified / 1_000 >= wait.stableFor { return .ready(facts) }
        if let before = settling[waitID]?[path], before.facts == facts {
            if now - before.since >= wait.stableFor { return .ready(facts) }
        } else {
            let isFirst = settling[waitID] == nil
            settling[waitID, default: [:]][path] = Settling(facts: facts, since: now)
            // A timer that runs already looks again when it is over.
            if isFirst {
                settleTimers.insert(deadline: now + wait.stableFor, id: waitID)
                armSettleTimer()
            }
        }
        return .notYet(
            kind: "settling",
            "there with \(facts.size) bytes, not unchanged for \(TimeSpan(microseconds: wait.stableFor))")
    }

    private func missing(_ waitID: Int64, _ path: String, _ number: Int32) -> Answer {
        unsettle(waitID, path)
        switch number {
        case ENOENT, ENOTDIR:
            return watchLink(waitID, path) ? .notYet(kind: "link", "a link to what does not exist") : .absent
        case EACCES:
            pollWait(waitID)
            return .notYet(kind: "denied", "permission denied")
        default:
            pollWait(waitID)
            return .notYet(kind: "error \(number)", ReactorError.text(of: number))
        }
    }

    /// What a link leads to changes in another directory, which nobody watches: such a file is asked for each period.
    @discardableResult
    func watchLink(_ waitID: Int64, _ path: String) -> Bool {
        guard isLink(path) else { return false }
        pollWait(waitID)
        return true
    }

    // MARK: Staying the same

    func unsettle(_ waitID: Int64, _ path: String) {
        guard settling[waitID]?.removeValue(forKey: path) != nil, settling[waitID]?.isEmpty == true else { return }
        settling[waitID] = nil
        settleTimers.remove(waitID)
    }

    private func armSettleTimer() {
        let earliest = settleTimers.earliest
        guard earliest != settleTimer?.instant else { return }
        if let settleTimer { loop.cancel(settleTimer.handle) }
        settleTimer = earliest.map { instant in
            (instant, loop.schedule(at: instant) { [weak self] in self?.lookAtSettling() })
        }
    }

    private func lookAtSettling() {
        settleTimer = nil
        let now = loop.now
        var due: [Int64] = []
        while due.count < 1_024, let (_, waitID) = settleTimers.popDue(now) { due.append(waitID) }
        for waitID in due {
            if let tally = tally(of: waitID) {
                for path in (settling[waitID] ?? [:]).keys.sorted() { count(waitID, tally, at: path) }
            } else {
                look(waitID)
            }
            guard let wait = waits[waitID], let files = settling[waitID] else { continue }
            let oldest = files.values.map(\.since).min() ?? now
            settleTimers.insert(deadline: max(oldest + wait.stableFor, now + 1_000), id: waitID)
        }
        armSettleTimer()
        work()
    }

    // MARK: The outcome

    func fire(_ waitID: Int64, _ files: [String: FileFacts]) {
        guard let wait = waits[waitID], let (path, facts) = files.min(by: { $0.key < $1.key }) else { return }
        var payload: [String: JSONValue] = [
            "path": .string(path), "size": .integer(facts.size), "modified_at": .integer(facts.modified / 1_000),
        ]
        let isPattern = if case .pattern = wait.last { true } else { false }
        if isPattern || files.count > 1 { payload["paths"] = .array(files.keys.sorted().map { .string($0) }) }
        remove(waitID)
        report(.fired(waitID: waitID, payload: .object(payload)))
    }

    /// Fires a wait where nothing is any more.
    func fireWithoutFile(_ waitID: Int64) {
        guard let wait = waits[waitID] else { return }
        let payload: [String: JSONValue] = [
            "path": .string(wait.target), "size": 0, "modified_at": .integer(loop.now), "paths": [],
        ]
        remove(waitID)
        report(.fired(waitID: waitID, payload: .object(payload)))
    }

    /// Keeps the last answer. What is just absent, as most are, is not worth a word until it was something else.
    func note(_ waitID: Int64, _ kind: String, _ text: String) {
        guard let wait = waits[waitID] else { return }
        let before = notes[waitID]
        guard kind != "absent" || before != nil else { return }
        let now = loop.now
        let isNews = before?.kind != kind || now - (before?.reportedAt ?? 0) >= 10_000_000
        let note = Note(
            kind: kind, text: text, at: now, reportedAt: isNews ? now : before?.reportedAt ?? now,
            looks: (before?.looks ?? 0) + 1)
        notes[waitID] = note
        if isNews { report(.probed(probe(of: wait, note))) }
    }
}
