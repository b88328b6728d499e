// SPDX-License-Identifier: Apache-2.0

internal import CPQ
internal import Glibc
internal import PerchReactor
internal import PerchSDK

/// A connection to a PostgreSQL server that never blocks the loop's thread. Names are looked up elsewhere, for libpq
/// would block.
final class PostgresLink {
    private let server: PostgresServer
    private let password: String?
    private let loop: any EventLoop
    private let threads: WorkerThreads
    private(set) var connection: OpaquePointer?
    private var watched: Int32 = -1
    private var timer: LoopTimer?
    private var isClosed = false
    private var opened: ((String?) -> Void)?

    /// Something was read: results may be there.
    var onRead: (() -> Void)?
    /// The connection has broken; it is closed by now.
    var onLost: ((String) -> Void)?

    init(server: PostgresServer, password: String?, loop: any EventLoop, threads: WorkerThreads) {
        self.server = server
        self.password = password
        self.loop = loop
        self.threads = threads
    }

    /// Connects; `done` gets, in a later turn, nothing or why that failed.
    func open(timeout: Int64, done: @escaping (String?) -> Void) {
        opened = done
        timer = loop.schedule(at: loop.now + timeout) { [weak self] in
            self?.timer = nil
            self?.fail("no connection within \(TimeSpan(microseconds: timeout))")
        }
        if server.isUnixSocket {
            loop.enqueue { [weak self] in self?.start([]) }
            return
        }
        let host = server.host
        threads.run({ HostAddresses.find(host) }) { [weak self] found in
            switch found {
            case .success(let addresses): self?.start(addresses)
            case .failure(let fault): self?.fail("the name '\(host)' cannot be looked up: \(fault.words)")
            }
        }
    }

    private func start(_ addresses: [String]) {
        guard !isClosed, connection == nil, opened != nil else { return }
        var settings: [(String, String)] = [
            ("host", addresses.isEmpty ? server.host : addresses.map { _ in server.host }.joined(separator: ",")),
            ("port", "\(server.port)"), ("user", server.user), ("dbname", server.database),
            ("sslmode", server.tls.rawValue), ("application_name", "perch"), ("client_encoding", "UTF8"),
            // Its library blocks.
            ("gssencmode", "disable"),
            // A link that is cut tells nobody, and who only listens would never ask.
            ("keepalives_idle", "15"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "30000"),
            ("options", "-c default_transaction_read_only=on"),
        ]
        if !addresses.isEmpty { settings.append(("hostaddr", addresses.joined(separator: ","))) }
        if let ca = server.ca { settings.append(("sslrootcert", ca)) }
        if let password { settings.append(("password", password)) }
        var names: [UnsafePointer<CChar>?] = settings.map { UnsafePointer(strdup($0.0)) } + [nil]
        var values: [UnsafePointer<CChar>?] = settings.map { UnsafePointer(strdup($0.1)) } + [nil]
        defer { for text in names + values { free(UnsafeMutablePointer(mutating: text)) } }
        // The database is a name: what looks like a connection string is not taken apart.
        connection = PQconnectStartParams(&names, &values, 0)
        guard let connection, PQstatus(connection) != CONNECTION_BAD else { return fail(words) }
        cpq_silence_notices(connection)
        watch(.write) { [weak self] in self?.poll() }
    }

    private func poll() {
        guard let connection else { return }
        // libpq may close the socket and take another.
        unwatch()
        switch PQconnectPoll(connection) {
        case PGRES_POLLING_READING: watch(.read) { [weak self] in self?.poll() }
        case PGRES_POLLING_WRITING: watch(.write) { [weak self] in self?.poll() }
        case PGRES_POLLING_OK:
            if let timer { loop.cancel(timer) }
            timer = nil
            PQsetnonblocking(connection, 1)
            watch(.read) { [weak self] in self?.read() }
            let done = opened
            opened = nil
            done?(nil)
        default: fail(words)
        }
    }

    /// What is to be written is written, as far as the socket takes it.
    func flush() {
        guard let connection, !isClosed else { return }
        switch PQflush(connection) {
        case 0: watch(.read) { [weak self] in self?.read() }
        case 1: watch([.read, .write]) { [weak self] in self?.read() }
        default: fail(words)
        }
    }

    private func read() {
        guard let connection else { return }
        guard PQconsumeInput(connection) == 1 else { return fail(words) }
        if PQflush(connection) == 0 { watch(.read) { [weak self] in self?.read() } }
        onRead?()
        // What the server said last was taken first.
        if !isClosed, let connection = self.connection, PQstatus(connection) == CONNECTION_BAD { fail(words) }
    }

    /// What libpq says is wrong, on one line, without the password.
    private var words: String {
        guard let connection else { return "libpq has no memory" }
        return Self.clean(String(cString: PQerrorMessage(connection)), password)
    }

    static func clean(_ text: String, _ password: String?) -> String {
        var words = text.split(whereSeparator: \.isNewline).joined(separator: "; ").replacing("\t", with: "")
        if let password, !password.isEmpty { words = words.replacing(password, with: "…") }
        return words.isEmpty ? "the connection broke" : words.shown(400)
    }

    private func watch(_ interest: Readiness, _ action: @escaping () -> Void) {
        guard let connection else { return }
        let descriptor = PQsocket(connection)
        guard descriptor >= 0 else { return fail(words) }
        do {
            try loop.watch(descriptor, for: interest) { _ in action() }
            watched = descriptor
        } catch {
            fail("its socket cannot be watched: \(error)")
        }
    }

    private func unwatch() {
        if watched >= 0 { loop.unwatch(watched) }
        watched = -1
    }

    /// Breaks it off, and says so.
    func fail(_ words: String) {
        guard !isClosed else { return }
        let (opened, lost) = (opened, onLost)
        close()
        if let opened { opened(words) } else { lost?(words) }
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        opened = nil
        onRead = nil
        onLost = nil
        if let timer { loop.cancel(timer) }
        timer = nil
        unwatch()
        if let connection { PQfinish(connection) }
        connection = nil
    }

    deinit { close() }
}
