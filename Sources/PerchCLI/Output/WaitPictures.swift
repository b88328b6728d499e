// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// Where somebody is in the list of waits.
struct ScrollPlace {
    /// How many waits stand above the first that is shown.
    var offset = 0

    /// False where the key ends the view.
    mutating func move(_ key: Terminal.Key, in frame: WaitFrame, _ size: Screen.Size) -> Bool {
        let page = max(1, size.rows - WaitScreen.frame)
        switch key {
        case .quit: return false
        case .up: offset = max(0, offset - 1)
        case .down: if frame.isFull { offset += 1 }
        case .pageUp: offset = max(0, offset - page)
        case .pageDown: if frame.isFull { offset += page }
        case .top: offset = 0
        }
        return true
    }
}

/// The waits of a choice as pictures.
struct WaitPictures {
    let choice: WaitChoice
    let metastore: Metastore
    /// So many waits are looked through at most for a page that is not the first.
    private static let deepest = 10_000

    /// The picture of a place, or of one before it where nothing waits there any more.
    func frame(_ size: Screen.Size, at offset: Int) async throws -> WaitFrame {
        let page = max(1, size.rows - WaitScreen.frame)
        var offset = min(offset, Self.deepest)
        while true {
            let first = offset
            let screen = try await metastore.read { snapshot in
                try self.screen(snapshot, offset: first, page: page)
            }
            guard screen.rows.isEmpty, offset > 0 else {
                return WaitFrame(lines: screen.lines(size), offset: offset, isFull: screen.rows.count == page)
            }
            // What stood there has ended.
            offset = max(0, offset - page)
        }
    }

    private func screen(_ snapshot: Snapshot, offset: Int, page: Int) throws -> WaitScreen {
        let now = snapshot.now
        var filter = try choice.filter(at: now)
        filter.limit = offset + page
        let waits = try snapshot.waits(filter).dropFirst(offset)
        var probes: [String: ProbeRow?] = [:]
        let rows = try waits.map { wait in
            let key = "\(wait.kind) \(wait.target)"
            let probe = try probes[key] ?? snapshot.probe(kind: wait.kind, target: wait.target)
            probes[key] = probe
            let instants = [
                (wait.due, "due"), (probe?.state.nextProbeAt, "probe"), (wait.deadline, "times out"),
            ]
            let next = instants.compactMap { instant, what in instant.map { (instant: $0, what: what) } }
                .min { $0.instant < $1.instant }
            let mapIndex = wait.key.mapIndex < 0 ? "" : "[\(wait.key.mapIndex)]"
            return WaitScreen.Row(
                waitID: wait.waitID, task: "\(wait.key.dagID) \(wait.key.runID) \(wait.key.taskID)\(mapIndex)",
                kind: wait.kind, target: wait.target, since: wait.since, next: next,
                lastResult: probe?.state.lastResult ?? "")
        }
        return WaitScreen(
            rows: rows, total: try snapshot.waitCount(), owners: try snapshot.triggerers().map(\.process.name),
            offset: offset, now: now)
    }
}
