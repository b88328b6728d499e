// SPDX-License-Identifier: Apache-2.0

public import PerchReactor
public import PerchSDK

/// Watches all waits for files with one inotify descriptor and one watch for each directory, however many files are
/// waited for in it.
///
/// A directory is watched first and looked into then, so nothing is missed between. Of a path whose directories do not
/// exist yet, the nearest one that does is watched, and the watch walks down as the others appear. An event costs one
/// look-up of its name; looking into many files or a large directory is done in portions between the loop's turns.
///
/// The files of the source: this one keeps the waits, `+Directories` the tree of directories and their watches, `+Events`
/// takes what the kernel reports, `+Scans` looks into directories, `+Looks` judges one file, `+Aims` waits for more than one
/// that is there, `+Explain` tells of it.
public final class FileSource: TriggerSource {
    /// What may be set.
    public struct Options: Sendable {
        /// How often directories are looked into that cannot be watched, or not relied upon.
        public var pollEvery: Duration = .seconds(5)
        /// How often it is checked that watched directories are still those at their paths.
        public var verifyEvery: Duration = .seconds(30)
        /// The most directories that are watched; nil: as many as the system gives.
        public var watchLimit: Int?

        /// The defaults.
        public init() {}
    }

    struct Wait {
        var target: String
        var group: WaitGroup
        var last: FilePattern.Component
        /// Microseconds; zero where being there is enough.
        var stableFor: Int64
        var minimumSize: Int64
    }

    /// A file that is there and has to stay as it is for a while.
    struct Settling {
        var facts: FileFacts
        /// Since when it has been so.
        var since: Int64
    }

    /// The last answer about a wait whose file is neither just absent nor just there.
    struct Note {
        var kind: String
        var text: String
        var at: Int64
        var reportedAt: Int64
        var looks: Int64
    }

    /// A hundred years in microseconds: longer spans are cut, so that instants can be counted.
    private static let longest: Int64 = 3_155_760_000_000_000

    let loop: any EventLoop
    let files: any FileSystem
    let report: (SourceReport) -> Void
    let options: Options
    let pollPeriod: Int64
    let verifyPeriod: Int64

    var waits: [Int64: Wait] = [:]
    var groups: [[FilePattern.Component]: WaitGroup] = [:]
    /// Of those waits alone that are for something else than one file to be there.
    var aims: [Int64: FileAim] = [:]
    /// Waits whose counts have changed since the last quiet moment.
    var touched: Set<Int64> = []

    let root = DirectoryNode(name: "", parent: nil)
    /// Nil where the system gives none.
    var watcher: (any FileWatcher)?
    /// The directories of each watch: several where links lead to the same one.
    var watched: [Int32: [DirectoryNode]] = [:]
    var directoryCount = 0

    /// Directories to look into, in order, and the one that is being read.
    var scans: [DirectoryNode] = []
    var reader: DirectoryReader?
    /// Waits to look after, in order, from `nextLook` on.
    var looks: [Int64] = []
    var nextLook = 0
    var isWorkQueued = false
    var isWorking = false
    /// What patterns have found since the last quiet moment, by wait and path.
    var matches: [Int64: [String: FileFacts]] = [:]
    var whenQuiet: [() -> Void] = []

    var settling: [Int64: [String: Settling]] = [:]
    var settleTimers = TimerHeap<Int64>()
    var settleTimer: (instant: Int64, handle: LoopTimer)?
    var notes: [Int64: Note] = [:]

    /// Directories and waits that are looked at each period.
    var polled: [DirectoryNode] = []
    var polledWaits: Set<Int64> = []
    /// Directories that are looked into once more, for something in them could not be asked for.
    var toScanAgain: [DirectoryNode] = []
    var pollTimer: LoopTimer?
    var nextPoll: Int64 = 0
    var verifyTimer: LoopTimer?

    /// A source on a loop's thread. Where the system gives no inotify descriptor, all directories are polled.
    public convenience init(
        loop: any EventLoop, options: Options = Options(), report: @escaping (SourceReport) -> Void
    ) {
        self.init(loop: loop, options: options, files: SystemFiles(), report: report)
    }

    /// A source over other files than the machine's.
    package init(
        loop: any EventLoop, options: Options = Options(), files: any FileSystem,
        report: @escaping (SourceReport) -> Void
    ) {
        self.loop = loop
        self.files = files
        self.report = report
        self.options = options
        pollPeriod = max(1_000, TimeSpan(options.pollEvery).microseconds)
        verifyPeriod = max(1_000, TimeSpan(options.verifyEvery).microseconds)
        watcher = files.makeWatcher(on: loop) { [weak self] in self?.readEvents() }
    }

    public var kinds: [String] { [FileTrigger.kind] }

    public func add(_ added: [ArmedWait]) {
        for wait in added {
            do {
                try add(wait)
            } catch {
                report(.broken(waitID: wait.waitID, message: "the file wait for \(wait.target): \(error)"))
            }
        }
        work()
    }

    private func add(_ wait: ArmedWait) throws {
        let trigger = try FileTrigger(stored: wait.definition)
        let pattern = try FilePattern(trigger.path)
        if let conflict = trigger.conflicts(with: pattern).first { throw PerchError(.invalid, conflict) }
        let aim = try FileAim(trigger, pattern, wait)
        remove(wait.waitID)
        let group: WaitGroup
        if let known = groups[pattern.directory] {
            group = known
        } else {
            group = WaitGroup(directory: pattern.directory)
            groups[pattern.directory] = group
        }
        let stableFor = min(trigger.stableFor?.microseconds ?? 0, Self.longest)
        let minimumSize = Int64(trigger.minimumSize ?? 0)
        let target = trigger.path == wait.target ? wait.target : trigger.path
        waits[wait.waitID] = Wait(
            target: target, group: group, last: pattern.last, stableFor: stableFor, minimumSize: minimumSize)
        group.insert(wait.waitID, pattern.last)
        if let aim {
            aims[wait.waitID] = aim
            group.attentive.insert(wait.waitID)
            if case .counted = aim { touched.insert(wait.waitID) }
        }
        let isSized = minimumSize > 0 || aim?.watchesWrites == true
        if isSized { group.sized += 1 }
        if group.places.isEmpty {
            extend(group, to: root)
        } else {
            if group.sized == 1, isSized { for node in group.places { watchWrites(in: node) } }
            lookLater(wait.waitID)
        }
    }

    /// Looks after a wait among the next, unless the directories that it concerns are about to be looked into anyway.
    func lookLater(_ waitID: Int64) {
        guard let wait = waits[waitID] else { return }
        switch wait.last {
        // Of several directories, some may be there that nobody has met yet.
        case .name where tally(of: waitID) == nil: looks.append(waitID)
        case .name, .pattern: for node in wait.group.places { scanLater(node) }
        }
    }

    public func remove(_ waitID: Int64) {
        guard let wait = waits.removeValue(forKey: waitID) else { return }
        wait.group.remove(waitID, wait.last)
        let aim = aims.removeValue(forKey: waitID)
        if aim != nil {
            wait.group.attentive.remove(waitID)
            touched.remove(waitID)
        }
        if wait.minimumSize > 0 || aim?.watchesWrites == true { wait.group.sized -= 1 }
        if settling.removeValue(forKey: waitID) != nil { settleTimers.remove(waitID) }
        notes[waitID] = nil
        matches[waitID] = nil
        polledWaits.remove(waitID)
        if wait.group.count == 0 { drop(wait.group) }
    }

    /// Takes a group whose last wait has gone out of the tree.
    private func drop(_ group: WaitGroup) {
        groups[group.directory] = nil
        let places = group.places
        group.places = []
        for node in places {
            node.leaves.removeAll { $0 === group }
            node.branches.removeAll { $0 === group }
            settle(node)
        }
    }

    public func probeNow(_ waitID: Int64, done: @escaping () -> Void) {
        guard let wait = waits[waitID] else { return done() }
        guard case .name = wait.last, tally(of: waitID) == nil else {
            lookLater(waitID)
            whenQuiet.append(done)
            return work()
        }
        look(waitID, trustsAge: true)
        done()
    }

    public var gauges: [(name: String, value: Int)] {
        [
            ("file_waits", waits.count), ("file_watches", watched.count), ("file_directories", directoryCount),
            ("file_directories_polled", polled.count), ("files_settling", settling.count),
        ]
    }

    public func shutDown() {
        for timer in [pollTimer, verifyTimer, settleTimer?.handle].compactMap(\.self) { loop.cancel(timer) }
        reader?.close()
        reader = nil
        watcher?.close()
        watcher = nil
        waits = [:]
        groups = [:]
        aims = [:]
        touched = []
        watched = [:]
        root.children = [:]
        scans = []
        looks = []
        polled = []
        polledWaits = []
        toScanAgain = []
    }
}
