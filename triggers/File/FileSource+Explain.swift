// SPDX-License-Identifier: Apache-2.0

internal import PerchReactor
public import PerchSDK

/// Telling people what is watched, and how.
extension FileSource {
    public func explain(_ waitID: Int64) -> WaitExplanation? {
        guard let wait = waits[waitID] else { return nil }
        var sentences = [aim(of: waitID, wait)]
        var sharing = wait.group.count
        if let node = wait.group.places.first {
            sentences += way(to: node, of: wait)
            sharing = max(sharing, node.leaves.reduce(0) { $0 + $1.count })
        }
        if polledWaits.contains(waitID) {
            sentences.append("It is also looked at every \(TimeSpan(microseconds: pollPeriod)).")
        }
        let probe = probe(of: wait, notes[waitID])
        sentences.append(
            probe.lastProbeAt.map { "Last looked at \($0): \(probe.lastResult)." } ?? "It was not looked at yet.")
        return WaitExplanation(sentences: sentences, probe: probe, sharing: sharing)
    }

    private func aim(of waitID: Int64, _ wait: Wait) -> String {
        let isOneFile: Bool
        if case .name = wait.last {
            isOneFile = !wait.group.directory.contains { if case .pattern = $0 { true } else { false } }
        } else {
            isOneFile = false
        }
        var text = isOneFile ? "Waits for the file \(wait.target)" : "Waits for a file that matches \(wait.target)"
        switch aims[waitID] {
        case .removed: return "Waits until nothing is at \(wait.target)."
        case .changed(let baseline):
            return
                "Waits until the file \(wait.target) is another than when the wait began, by its size, modification time "
                + "or inode. Then: \(baseline.text)."
        case .counted(let tally) where tally.atLeast == 0: return "Waits until nothing matches \(wait.target)."
        case .counted(let tally):
            text = "Waits for at least \(tally.atLeast) files that match \(wait.target)"
            if wait.minimumSize > 0 || wait.stableFor > 0 { text += ", each" }
        case nil: break
        }
        if wait.minimumSize > 0 { text += ", of at least \(wait.minimumSize) bytes" }
        if wait.stableFor > 0 { text += ", unchanged for \(TimeSpan(microseconds: wait.stableFor))" }
        return text + "."
    }

    private func way(to node: DirectoryNode, of wait: Wait) -> [String] {
        var sentences: [String] = []
        var nearest = node
        while nearest.isAbsent, let parent = nearest.parent {
            if !parent.isAbsent, case .absent(let reason) = nearest.presence {
                sentences.append("The directory \(nearest.path) \(reason).")
            }
            nearest = parent
        }
        let places = wait.group.places.count
        if places > 1 {
            sentences.append("\(places) directories are on its way, the first is \(nearest.path).")
        }
        if nearest.watch != nil {
            let shared = nearest.leaves.reduce(0) { $0 + $1.count }
            sentences.append(
                nearest === node
                    ? "The directory \(nearest.path) is watched by inotify, with one watch for \(shared) \(shared == 1 ? "wait" : "waits")."
                    : "The nearest one above it, \(nearest.path), is watched by inotify.")
        }
        if let reason = nearest.pollReason {
            sentences.append(
                "\(nearest.path) is looked at every \(TimeSpan(microseconds: pollPeriod)), because \(reason).")
        }
        return sentences
    }

    func probe(of wait: Wait, _ note: Note?) -> ProbeState {
        let node = wait.group.places.first
        let last = [note?.at, lastLook(at: node)].compactMap(\.self).max()
        let isPolled = note?.kind == "link" || node?.pollReason != nil
        return ProbeState(
            kind: FileTrigger.kind, target: wait.target, lastProbeAt: last.map { Timestamp(microseconds: $0) },
            nextProbeAt: isPolled ? Timestamp(microseconds: nextPoll) : nil,
            lastResult: note?.text ?? (last == nil ? "" : absence(of: node)),
            probes: max(note?.looks ?? 0, node?.looks ?? 0))
    }

    /// Where a directory is not there, the look at the nearest one above it told so.
    private func lastLook(at start: DirectoryNode?) -> Int64? {
        var node = start
        while let current = node, current.isAbsent, current.lastLook == nil { node = current.parent }
        return node?.lastLook
    }

    private func absence(of node: DirectoryNode?) -> String {
        guard let node, node.isAbsent else { return "absent" }
        return "absent, with its directory"
    }
}
