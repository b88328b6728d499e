// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchReactor

/// The entries of a directory, read in portions.
final class DirectoryReader {
    let node: DirectoryNode
    private let entries: any FileEntries

    init(_ node: DirectoryNode, _ entries: any FileEntries) {
        self.node = node
        self.entries = entries
    }

    /// The next name; nil at the end, and where the directory cannot be read.
    func next() -> String? { entries.next() }

    func close() { entries.close() }
}

/// Looking into directories and after waits, in portions between the loop's turns.
extension FileSource {
    /// About so many system calls a turn.
    private static let portion = 2_048
    /// Up to so many names are looked at one by one, more by reading the directory.
    private static let fewNames = 256

    /// Has a directory looked into, soon and once, however often it is asked for.
    func scanLater(_ node: DirectoryNode) {
        switch node.scan {
        case .none:
            node.scan = .queued
            scans.append(node)
        case .running: node.scan = .runningAndAgain
        case .queued, .runningAndAgain: break
        }
    }

    /// Does a portion of what there is to look at; the rest follows in the next turns. When all is done, what patterns
    /// have found is reported.
    func work() {
        // A report may lead to another call from within.
        guard !isWorkQueued, !isWorking else { return }
        isWorking = true
        var budget = Self.portion
        while budget > 0, workOnce() { budget -= 1 }
        if budget > 0 { beQuiet() }
        isWorking = false
        guard budget == 0 || hasWork else { return }
        isWorkQueued = true
        loop.enqueue { [weak self] in
            self?.isWorkQueued = false
            self?.work()
        }
    }

    private var hasWork: Bool { nextLook < looks.count || reader != nil || !scans.isEmpty || !touched.isEmpty }

    private func workOnce() -> Bool {
        if nextLook < looks.count {
            nextLook += 1
            look(looks[nextLook - 1])
            return true
        }
        if !looks.isEmpty {
            looks.removeAll(keepingCapacity: looks.count < 1_024)
            nextLook = 0
        }
        if let reader {
            if let name = reader.next() {
                changed(name, in: reader.node, isEvent: false)
            } else {
                endScan(reader)
            }
            return true
        }
        guard !scans.isEmpty else { return false }
        beginScan(scans.removeFirst())
        return true
    }

    private func beginScan(_ node: DirectoryNode) {
        node.looks += 1
        node.lastLook = loop.now
        node.fault = 0
        node.hasUnclearEntries = false
        attend(node)
        let names = node.leaves.reduce(0) { $0 + $1.exact.count }
        let hasPatterns = !node.branches.isEmpty || node.leaves.contains { !$0.patterns.isEmpty }
        if hasPatterns || names > Self.fewNames {
            switch files.entries(of: node.path) {
            case .success(let entries):
                node.scan = .running
                reader = DirectoryReader(node, entries)
            case .failure(let fault):
                node.scan = .none
                // One that is gone is known to be so, or will be. Another may be read again some time.
                if fault.number != ENOENT, fault.number != ENOTDIR {
                    node.fault = Self.meansNothing(fault.number) ? 0 : fault.number
                    scanAgain(node)
                }
            }
        } else {
            node.scan = .none
            for group in node.leaves { looks += group.exact.values.flatMap(\.ids).sorted() }
        }
    }

    private func endScan(_ ended: DirectoryReader) {
        ended.close()
        reader = nil
        let again = ended.node.scan == .runningAndAgain
        ended.node.scan = .none
        if again { scanLater(ended.node) }
    }

    private func beQuiet() {
        fireMatches()
        judgeTallies()
        // What was found may ask for another look.
        guard !whenQuiet.isEmpty, !hasWork else { return }
        let actions = whenQuiet
        whenQuiet = []
        for action in actions { action() }
    }

    /// Follows a group into a directory that its pattern has found.
    func follow(_ group: WaitGroup, into name: String, of node: DirectoryNode) {
        let found = DirectoryNode(name: name, parent: node)
        let child = node.children[name] ?? found
        if child === found {
            node.children[name] = child
            directoryCount += 1
        }
        extend(group, to: child)
        settle(child)
    }

    // MARK: Polling

    /// Has a directory looked into each period, for a reason that `explain` gives; nil ends that.
    func poll(_ node: DirectoryNode, because reason: String?) {
        let was = node.pollReason != nil
        node.pollReason = reason
        if reason != nil, !was {
            polled.append(node)
            startPolling()
        } else if reason == nil, was {
            polled.removeAll { $0 === node }
        }
    }

    /// Has a wait looked after each period: its file is a link to elsewhere, or cannot be asked for.
    func pollWait(_ waitID: Int64) {
        if polledWaits.insert(waitID).inserted { startPolling() }
    }

    /// Has a directory looked into once more when the period is over: something in it could not be asked for.
    func scanAgain(_ node: DirectoryNode) {
        guard !node.isToScanAgain else { return }
        node.isToScanAgain = true
        toScanAgain.append(node)
        startPolling()
    }

    private func startPolling() {
        guard pollTimer == nil else { return }
        nextPoll = loop.now + pollPeriod
        pollTimer = loop.schedule(at: nextPoll) { [weak self] in
            guard let self else { return }
            pollTimer = nil
            pollOnce()
            if !polled.isEmpty || !polledWaits.isEmpty || !toScanAgain.isEmpty { startPolling() }
            work()
        }
    }

    private func pollOnce() {
        for node in polled where node.pollReason != nil {
            if node.watch == nil {
                // What kept it from being watched may be over.
                disarm(node)
                arm(node)
            } else {
                verify(node)
                scanLater(node)
            }
        }
        let again = toScanAgain
        toScanAgain = []
        for node in again {
            node.isToScanAgain = false
            if !node.leaves.isEmpty || !node.branches.isEmpty { scanLater(node) }
        }
        for waitID in polledWaits.sorted() { lookLater(waitID) }
    }
}
