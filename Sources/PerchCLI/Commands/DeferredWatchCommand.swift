// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import PerchMetastore
internal import PerchSDK

struct DeferredWatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "A live view of what waits, on the whole screen.",
        discussion: """
            Shows what `deferred list` lists and redraws what has changed. Up and down, j and k move by a line, space and b
            by a page, g goes to the top, q quits.
            """)

    @OptionGroup var choice: WaitChoice
    @OptionGroup var home: HomeOption

    func run() async throws {
        let choice = choice
        try await home.withMetastore { home, metastore in
            try await metastore.read { snapshot in
                var filter = try choice.filter(at: snapshot.now)
                filter.limit = 1
                if try snapshot.waits(filter).isEmpty { try choice.checkNames(snapshot) }
            }
            let changes = try ChangeWatch(paths: [home.paths.database + "-wal"])
            let terminal = try Terminal()
            var screen = Screen()
            var offset = 0
            while true {
                let size = terminal.size
                let page = max(1, size.rows - WaitScreen.frame)
                let first = offset
                let view = try await metastore.read { try WaitScreen($0, choice, offset: first, page: page) }
                if view.rows.isEmpty, offset > 0 {
                    // What stood there has ended.
                    offset = max(0, offset - page)
                    continue
                }
                try Console.shared.raw(screen.show(view.lines(size), size: size))
                try Console.shared.flush()
                changes.wait(orReadable: STDIN_FILENO)
                for key in terminal.keys() {
                    switch key {
                    case .quit: return
                    case .up: offset = max(0, offset - 1)
                    case .down: if view.rows.count == page { offset += 1 }
                    case .pageUp: offset = max(0, offset - page)
                    case .pageDown: if view.rows.count == page { offset += page }
                    case .top: offset = 0
                    }
                }
            }
        }
    }
}

extension WaitScreen {
    /// So many waits are looked through at most for a page that is not the first.
    private static let deepest = 10_000

    fileprivate init(_ snapshot: Snapshot, _ choice: WaitChoice, offset: Int, page: Int) throws {
        let now = snapshot.now
        var filter = try choice.filter(at: now)
        let first = min(offset, Self.deepest)
        filter.limit = first + page
        let waits = try snapshot.waits(filter).dropFirst(first)
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
            return Row(
                waitID: wait.waitID, task: "\(wait.key.dagID) \(wait.key.runID) \(wait.key.taskID)\(mapIndex)",
                kind: wait.kind, target: wait.target, since: wait.since, next: next,
                lastResult: probe?.state.lastResult ?? "")
        }
        self.init(
            rows: rows, total: try snapshot.waitCount(), owners: try snapshot.triggerers().map(\.process.name),
            offset: first, now: now
        )
    }
}
