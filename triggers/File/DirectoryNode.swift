// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// All waits whose paths lead to the same directory, or to the same pattern of directories.
final class WaitGroup {
    let directory: [FilePattern.Component]
    /// The waits for one name each.
    var exact: [String: Waiters] = [:]
    /// The waits for a pattern, in the order of their arming.
    var patterns: [(pattern: FilePattern.Component, waiters: Waiters)] = []
    var count = 0
    /// Waits that depend on a size, for which writes are watched too.
    var sized = 0
    /// Those to which it matters that something is not there.
    var attentive: Set<Int64> = []
    /// Where it stands in the tree of directories.
    var places: [DirectoryNode] = []

    init(directory: [FilePattern.Component]) {
        self.directory = directory
    }

    func insert(_ waitID: Int64, _ component: FilePattern.Component) {
        count += 1
        switch component {
        case .name(let name): exact[name, default: Waiters()].insert(waitID)
        case .pattern:
            if let index = patterns.firstIndex(where: { $0.pattern == component }) {
                patterns[index].waiters.insert(waitID)
            } else {
                var waiters = Waiters()
                waiters.insert(waitID)
                patterns.append((component, waiters))
            }
        }
    }

    func remove(_ waitID: Int64, _ component: FilePattern.Component) {
        count -= 1
        switch component {
        case .name(let name):
            exact[name]?.remove(waitID)
            if exact[name]?.isEmpty == true { exact[name] = nil }
        case .pattern:
            guard let index = patterns.firstIndex(where: { $0.pattern == component }) else { return }
            patterns[index].waiters.remove(waitID)
            if patterns[index].waiters.isEmpty { patterns.remove(at: index) }
        }
    }
}

/// The waits for one name: mostly one, which costs no allocation.
struct Waiters {
    private var first: Int64?
    private var others: Set<Int64> = []

    var isEmpty: Bool { first == nil }
    /// In the order of their numbers.
    var ids: [Int64] {
        guard let first else { return [] }
        return others.isEmpty ? [first] : (others.union([first])).sorted()
    }

    mutating func insert(_ id: Int64) {
        if first == nil { first = id } else { others.insert(id) }
    }

    mutating func remove(_ id: Int64) {
        if first == id { first = others.popFirst() } else { others.remove(id) }
    }
}

/// A directory that is on some wait's way.
final class DirectoryNode {
    enum Presence: Equatable {
        /// It is there, or nobody has asked yet.
        case present
        case absent(String)
    }

    enum Scan {
        case none, queued, running, runningAndAgain
    }

    let path: String
    let name: String
    /// How many components its path has; the root has none.
    let depth: Int
    private(set) weak var parent: DirectoryNode?
    var children: [String: DirectoryNode] = [:]
    /// Groups whose files are here.
    var leaves: [WaitGroup] = []
    /// Groups whose next component is a pattern of directories in here.
    var branches: [WaitGroup] = []

    var presence = Presence.present
    var absentChildren = 0
    var watch: Int32?
    var watchesWrites = false
    var device: UInt64 = 0
    var inode: UInt64 = 0
    /// Why it is looked at from time to time beside its watch or instead of it; nil: it is not.
    var pollReason: String?
    var scan = Scan.none
    var isToScanAgain = false
    /// The errno with which it could not be looked into; 0: it could be.
    var fault: Int32 = 0
    /// Some entry, when it was last looked into or since, could not be asked whether it is a directory.
    var hasUnclearEntries = false
    var looks: Int64 = 0
    var lastLook: Int64?

    init(name: String, parent: DirectoryNode?) {
        self.name = name
        self.parent = parent
        depth = parent.map { $0.depth + 1 } ?? 0
        if let parent {
            path = parent.depth == 0 ? "/\(name)" : "\(parent.path)/\(name)"
        } else {
            path = "/"
        }
    }

    /// Whether a change in it matters to anybody.
    var isWanted: Bool { !leaves.isEmpty || !branches.isEmpty || absentChildren > 0 }
    var isUnused: Bool { leaves.isEmpty && branches.isEmpty && children.isEmpty }
    var isAbsent: Bool { presence != .present }
    var wantsWrites: Bool { leaves.contains { $0.sized > 0 } }

    func path(of entry: String) -> String {
        depth == 0 ? "/\(entry)" : "\(path)/\(entry)"
    }

    /// The children in the order of their names.
    var sortedChildren: [DirectoryNode] {
        children.values.sorted { $0.name < $1.name }
    }
}
