// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import Logging
internal import PerchReactor
internal import PerchSDK
internal import PerchYAML

/// Tells when something in the folder of YAML files has changed: by inotify, and by a look now and then where that says
/// nothing (a network file system, too many watches). Lives on a reactor.
// Everything but `stop` and `start` happens on the reactor's thread.
final class DAGFolderWatch: @unchecked Sendable {
    private let path: String
    private let reactor: any Reactor
    private let log: Logger
    private let onChange: @Sendable () -> Void
    private var watches: FolderWatches?
    private var last: FolderListing?
    private var lookTimer: LoopTimer?
    private var slowTimer: LoopTimer?
    private var isLooking = false
    private var isOver = false
    private var hasTold = false

    /// Changes so near to one another are one, in microseconds.
    private static let settling: Int64 = 100_000
    /// How often the folder is looked at although nothing was said, in microseconds.
    private static let period: Int64 = 30_000_000
    /// What is told of a folder: files that are whole, and those that came or went. Not each write to a file: one that is
    /// being written is looked at when it is closed.
    private static let mask = UInt32(
        IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF
    )

    init(path: String, reactor: any Reactor, log: Logger, onChange: @escaping @Sendable () -> Void) {
        self.path = path
        self.reactor = reactor
        self.log = log
        self.onChange = onChange
    }

    /// Begins to watch. `known` is the state that was read before.
    func start(from known: FolderListing) {
        reactor.submit { [self] in
            last = known
            listen()
            look()
        }
    }

    /// Tells nothing any more.
    func stop() {
        reactor.submit { [self] in
            isOver = true
            for timer in [lookTimer, slowTimer] { if let timer { reactor.loop.cancel(timer) } }
            watches?.close()
            watches = nil
        }
    }

    private func listen() {
        let watches = FolderWatches(on: reactor.loop, mask: Self.mask) { [self] in heard() }
        self.watches = watches
        do {
            try watches.open(for: path)
        } catch {
            log.warning("files of DAGs are looked at every 30 s", metadata: ["reason": "\(error)"])
        }
    }

    private func heard() {
        guard lookTimer == nil else { return }
        lookTimer = reactor.loop.schedule(at: reactor.loop.now + Self.settling) { [self] in
            lookTimer = nil
            look()
        }
    }

    /// Looks at the folder, not on the reactor: a folder may be large, or far away.
    private func look() {
        guard !isOver, !isLooking else { return }
        isLooking = true
        if let slowTimer { reactor.loop.cancel(slowTimer) }
        arm()
        let path = path
        Task { @concurrent in
            let listing = FolderListing(of: path)
            self.reactor.submit { self.looked(listing) }
        }
    }

    private func looked(_ listing: FolderListing) {
        isLooking = false
        guard !isOver else { return }
        let isOther = listing != last
        last = listing
        if isOther { onChange() }
        slowTimer = reactor.loop.schedule(at: reactor.loop.now + Self.period) { [self] in look() }
        // Folders that are new are watched, and looked at once more: something may have come into them before.
        if arm(), isOther { heard() }
    }

    /// Watches every folder that is not watched yet; where there is none, the one that it will stand in. Gives whether
    /// there were such.
    @discardableResult
    private func arm() -> Bool {
        var folders = last?.folders ?? []
        if folders.isEmpty { folders = [Self.nearestFolder(around: path)] }
        guard let added = watches?.add(folders) else { return false }
        if let folder = added.refused, !hasTold {
            hasTold = true
            log.warning("no more watches: files of DAGs in \(folder) are looked at every 30 s")
        }
        return added.isAny
    }

    private static func nearestFolder(around path: String) -> String {
        var folder = path
        while let slash = folder.lastIndex(of: "/") {
            folder = slash == folder.startIndex ? "/" : String(folder[..<slash])
            if folder == "/" || access(folder, F_OK) == 0 { return folder }
        }
        return "/"
    }
}
