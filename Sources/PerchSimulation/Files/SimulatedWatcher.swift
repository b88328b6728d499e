// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import Glibc
internal import PerchReactor
internal import PerchTriggersFile

/// What has happened to an entry of a directory or to the directory itself; the events of inotify(7).
enum SimulatedChange {
    case create, modify, closeWrite, attributes, delete, movedFrom, movedTo
    case deleteSelf, moveSelf, ignored
}

/// One inotify instance of a simulated process.
final class SimulatedWatcher: FileWatcher {
    private struct Entry: Equatable {
        /// Nil: the overflow.
        var change: SimulatedChange?
        var watch: Int32
        var name: String
    }

    private struct Watched {
        var directory: SimulatedInode
        var reportsWrites: Bool
    }

    /// As many as fit into the buffer that production reads with.
    private static let mostAtOnce = 1_300

    private let files: SimulatedFiles
    private let loop: any EventLoop
    private let ready: () -> Void
    private var watched: [Int32: Watched] = [:]
    private var lastWatch: Int32 = 0
    private var queue: Deque<Entry> = []
    /// The next event is to be lost.
    private var losesNext = false
    /// The overflow is in the queue: nothing is taken until it is read.
    private var isFull = false
    private var timer: LoopTimer?
    /// The source is about to be told that there are events.
    private var isWaking = false
    private(set) var isClosed = false

    init(_ files: SimulatedFiles, loop: any EventLoop, ready: @escaping () -> Void) {
        self.files = files
        self.loop = loop
        self.ready = ready
    }

    var watchCount: Int { watched.count }

    // MARK: What the source asks for

    func watch(_ path: String, writes: Bool) -> Int32 {
        guard !isClosed else { return -EBADF }
        let directory: SimulatedInode
        do {
            directory = try files.find(path, followsLinks: true)
        } catch {
            return -error.number
        }
        guard directory.isDirectory else { return -ENOTDIR }
        guard directory.isOpen else { return -EACCES }
        if let known = directory.watches.first(where: { $0.watcher === self }) {
            if writes { watched[known.number]?.reportsWrites = true }
            return known.number
        }
        if let limit = files.watchLimit, files.watchCount >= limit { return -ENOSPC }
        lastWatch += 1
        watched[lastWatch] = Watched(directory: directory, reportsWrites: writes)
        directory.watches.append(SimulatedInode.Watch(watcher: self, number: lastWatch))
        return lastWatch
    }

    func unwatch(_ watch: Int32) {
        guard let known = watched[watch] else { return }
        known.directory.watches.removeAll { $0.watcher === self }
        lost(watch)
    }

    func read() -> [WatchEvent] {
        var events: [WatchEvent] = []
        while events.count < Self.mostAtOnce, let entry = queue.popFirst() {
            if entry.change == nil { isFull = false }
            events.append(WatchEvent(watch: entry.watch, kind: Self.kind(of: entry.change), name: entry.name))
        }
        return events
    }

    func close() {
        if let timer { loop.cancel(timer) }
        end()
    }

    // MARK: What happens

    /// The process is dead, and its loop with it.
    func end() {
        isClosed = true
        timer = nil
        queue = []
        for (_, known) in watched { known.directory.watches.removeAll { $0.watcher === self } }
        watched = [:]
        files.watchers.removeAll { $0 === self }
    }

    func overflowNext() {
        losesNext = true
    }

    /// Takes an event if the watch is for such.
    func take(_ change: SimulatedChange, _ watch: Int32, _ name: String) {
        guard let known = watched[watch] else { return }
        if change == .modify, !known.reportsWrites { return }
        put(Entry(change: change, watch: watch, name: name))
    }

    /// A watch has ended: by itself, or because it was asked to.
    func lost(_ watch: Int32) {
        watched[watch] = nil
        put(Entry(change: .ignored, watch: watch, name: ""))
    }

    private func put(_ entry: Entry) {
        guard !isFull else { return }
        // The same once more is no news.
        if let last = queue.last, last == entry { return }
        isFull = losesNext || queue.count >= files.queueLimit
        losesNext = false
        queue.append(isFull ? Entry(change: nil, watch: -1, name: "") : entry)
        wake()
    }

    private func wake() {
        guard !isWaking, !isClosed else { return }
        isWaking = true
        let latency = loop.random(in: files.latency)
        // Without latency no jump of the clock can delay it.
        guard latency > 0 else { return loop.enqueue { [weak self] in self?.wakeUp() } }
        timer = loop.schedule(at: loop.now + latency) { [weak self] in self?.wakeUp() }
    }

    private func wakeUp() {
        guard !isClosed else { return }
        timer = nil
        isWaking = false
        ready()
        // As a readable descriptor: it stays so until all is read.
        if !queue.isEmpty { wake() }
    }

    private static func kind(of change: SimulatedChange?) -> WatchEvent.Kind {
        switch change {
        case nil: .overflow
        case .moveSelf: .movedAway
        case .deleteSelf, .ignored: .gone
        default: .changed
        }
    }
}
