// SPDX-License-Identifier: Apache-2.0

internal import PerchReactor
internal import PerchSDK

/// Queries on a file of SQLite, each on a thread, for they block; the file is opened anew for each.
final class SQLiteBackend: SQLBackend {
    private final class Run: SQLRun {
        let stop = StopFlag()
        var isOver = false
        var timer: LoopTimer?
        private let loop: any EventLoop

        init(loop: any EventLoop) { self.loop = loop }

        func cancel() {
            isOver = true
            stop.raise()
            if let timer { loop.cancel(timer) }
            timer = nil
        }
    }

    /// How long a query that was told to stop may still take: a file system may hang.
    private static let grace: Int64 = 2_000_000

    private let path: String
    private let loop: any EventLoop
    private let threads: WorkerThreads

    init(path: String, loop: any EventLoop, threads: WorkerThreads) {
        self.path = path
        self.loop = loop
        self.threads = threads
    }

    var places: Int { 1 }

    func run(_ query: SQLQuery, done: @escaping (SQLOutcome) -> Void) -> any SQLRun {
        let run = Run(loop: loop)
        let end: (SQLOutcome) -> Void = { outcome in
            guard !run.isOver else { return }
            run.cancel()
            done(outcome)
        }
        run.timer = loop.schedule(at: loop.now + query.timeout) { [loop] in
            run.stop.raise()
            run.timer = loop.schedule(at: loop.now + Self.grace) {
                end(.failed(kind: "hang", "the file has not answered within \(TimeSpan(microseconds: query.timeout))"))
            }
        }
        let (path, stop) = (path, run.stop)
        threads.run({ SQLiteQuery.run(query, path: path, stop: stop) }, done: end)
        return run
    }

    func close() {}
}
