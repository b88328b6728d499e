// SPDX-License-Identifier: Apache-2.0

internal import PerchReactor
internal import PerchSDK

/// Queries on a PostgreSQL server: a few connections that are kept between queries for a while.
final class PostgresBackend: SQLBackend {
    private final class Run: SQLRun {
        var session: PostgresSession?
        var isOver = false

        func cancel() {
            isOver = true
            // The server ends what it does by its own limit of the query's time.
            session?.close()
            session = nil
        }
    }

    private let server: PostgresServer
    private let password: String?
    private let loop: any EventLoop
    private let threads: WorkerThreads
    private let options: SQLSource.Options
    private var idle: [PostgresSession] = []
    private var isClosed = false

    init(
        server: PostgresServer, password: String?, loop: any EventLoop, threads: WorkerThreads,
        options: SQLSource.Options
    ) {
        self.server = server
        self.password = password
        self.loop = loop
        self.threads = threads
        self.options = options
    }

    var places: Int { options.perServer }

    func run(_ query: SQLQuery, done: @escaping (SQLOutcome) -> Void) -> any SQLRun {
        let run = Run()
        if let session = idle.popLast() {
            session.stopIdling()
            begin(query, session, run, done)
            return run
        }
        let link = PostgresLink(server: server, password: password, loop: loop, threads: threads)
        let session = PostgresSession(link: link, password: password, loop: loop)
        run.session = session
        link.open(timeout: TimeSpan(options.connectTimeout).microseconds) { [weak self] words in
            guard let self, !run.isOver else { return session.close() }
            if let words {
                run.isOver = true
                return done(.unreachable(words))
            }
            begin(query, session, run, done)
        }
        return run
    }

    private func begin(
        _ query: SQLQuery, _ session: PostgresSession, _ run: Run, _ done: @escaping (SQLOutcome) -> Void
    ) {
        run.session = session
        session.ask(query) { [weak self] outcome in
            guard !run.isOver else { return }
            run.isOver = true
            run.session = nil
            self?.keep(session)
            done(outcome)
        }
    }

    private func keep(_ session: PostgresSession) {
        guard !isClosed, session.isUsable else { return session.close() }
        idle.append(session)
        session.idle(for: TimeSpan(options.keepIdle).microseconds) { [weak self] in
            self?.idle.removeAll { $0 === session }
        }
    }

    func close() {
        isClosed = true
        for session in idle { session.close() }
        idle = []
    }
}
