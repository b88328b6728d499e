// SPDX-License-Identifier: Apache-2.0

internal import CPQ
internal import Glibc
internal import PerchSDK

/// A connection to a server, in pipeline mode: what needs no answer of its own travels with what does.
///
/// Used by one thread at a time; it blocks that.
final class PostgresLink {
    private let connection: OpaquePointer
    let address: PostgresAddress
    /// Cleared when the server is gone, or what it says makes no sense any more.
    private(set) var isAlive = true
    /// The server has ended the session because a transaction stood still, which it has undone with that.
    private(set) var hasStoodStill = false
    /// Whether a transaction is known to be open, so that it goes on after an end of a pipeline's part.
    var mayPause = false
    /// What libpq has of statements since the last such end, in bytes, and how many ends are to be awaited.
    private var kept = 0
    private var pauses = 0

    /// libpq sends what it has, however little of a batch that is, when it is 8 KiB.
    static let most = 7_000

    /// What is used where the URI says nothing of it. A link that is cut tells nobody, and leases do not last for ever: who
    /// hears nothing from the other machine's kernel for ten seconds gives the connection up.
    private static let defaults = [
        ("keepalives_idle", "5"), ("keepalives_interval", "2"), ("keepalives_count", "3"),
        ("tcp_user_timeout", "10000"),
    ]

    /// The same for the server's side. Its own default is two hours, for which a machine that is gone would hold a place among
    /// its connections, and what its session has locked.
    private static let serverSettings = """
        SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3;
        SET tcp_user_timeout = 10000
        """

    /// Connects.
    ///
    /// - Parameters:
    ///   - purpose: What it is for, as the server's administrator sees it.
    ///   - isSession: Whether it goes to the server itself, which may be told for how long an other side is missed.
    ///   - patience: How long each host may take to answer, in seconds, where the URI says nothing of it.
    /// - Throws: `unavailable` with why that failed.
    init(_ address: PostgresAddress, purpose: String, isSession: Bool = false, patience: Int = 10) throws {
        self.address = address
        let settings = Self.settings(address, patience) + [("fallback_application_name", purpose)]
        guard let connection = Self.withParameters(settings, { PQconnectdbParams($0, $1, 1) }) else {
            throw PerchError(.unavailable, "\(address.name): libpq has no memory")
        }
        self.connection = connection
        cpq_silence_notices(connection)
        guard PQstatus(connection) == CONNECTION_OK, PQenterPipelineMode(connection) == 1 else {
            throw PostgresFault(lost: String(cString: PQerrorMessage(connection)), address).error
        }
        // A socket of this machine is not cut.
        let host = PQhost(connection).map { String(cString: $0) } ?? ""
        if isSession, !host.hasPrefix("/") { try execute(Self.serverSettings) }
    }

    /// Whether nobody answers at an address, or a server that is starting or stopping. One that refuses somebody answers.
    ///
    /// - Parameter patience: How long each host may take to answer, in seconds.
    static func isAway(_ address: PostgresAddress, patience: Int) -> Bool {
        let answer = withParameters(settings(address, patience)) { PQpingParams($0, $1, 1) }
        return answer == PQPING_NO_RESPONSE || answer == PQPING_REJECT
    }

    /// Those behind the URI overrule it.
    private static func settings(_ address: PostgresAddress, _ patience: Int) -> [(String, String)] {
        defaults + [("connect_timeout", "\(patience)"), ("dbname", address.uri), ("client_encoding", "UTF8")]
    }

    private static func withParameters<Result>(
        _ settings: [(String, String)],
        _ body: (UnsafePointer<UnsafePointer<CChar>?>, UnsafePointer<UnsafePointer<CChar>?>) -> Result
    ) -> Result {
        let names: [UnsafePointer<CChar>?] = settings.map { UnsafePointer(strdup($0.0)) } + [nil]
        let values: [UnsafePointer<CChar>?] = settings.map { UnsafePointer(strdup($0.1)) } + [nil]
        defer { for text in names + values { free(UnsafeMutablePointer(mutating: text)) } }
        return body(names, values)
    }

    deinit { PQfinish(connection) }

    var socket: Int32 { PQsocket(connection) }
    var serverProcess: Int32 { PQbackendPID(connection) }

    /// Makes room for a statement. The server counts for how long a transaction stands still only where a part of a pipeline
    /// has ended: who is stopped while half a batch is sent would keep its locks for as long. So a part goes off in one piece.
    private func makeRoom(_ size: Int) throws {
        guard mayPause, kept > 0, kept + size > Self.most else {
            kept += size
            return
        }
        guard PQpipelineSync(connection) == 1 else { throw broken() }
        pauses += 1
        kept = size
    }

    /// Sends a statement without values whose answer is awaited together with that of the next one.
    func send(_ command: String) throws {
        try makeRoom(command.utf8.count + Self.frame)
        guard PQsendQueryParams(connection, command, 0, nil, nil, nil, nil, 0) == 1 else { throw broken() }
    }

    func sendPrepare(_ name: String, _ text: String) throws {
        try makeRoom(text.utf8.count + Self.frame)
        guard PQsendPrepare(connection, name, text, 0, nil) == 1 else { throw broken() }
    }

    func send(prepared name: String, _ values: PostgresValues) throws {
        try makeRoom(values.size + Self.frame)
        let isSent = values.withPointers { PQsendQueryPrepared(connection, name, $0, $1, nil, nil, 0) }
        guard isSent == 1 else { throw broken() }
    }

    /// Sends a statement, in two steps where it is long and may be.
    ///
    /// - Returns: How many answers come of it, the last of which is the statement's.
    func send(_ text: String, _ values: PostgresValues, inSteps: Bool = true) throws -> Int {
        let size = text.utf8.count + values.size + Self.frame
        if inSteps, mayPause, size > Self.most {
            // What begins a part may be cut anywhere: the server is still counting.
            try sendPrepare("", text)
            try send(prepared: "", values)
            return 2
        }
        try makeRoom(size)
        let isSent = values.withPointers { PQsendQueryParams(connection, text, $0, nil, $1, nil, nil, 0) }
        guard isSent == 1 else { throw broken() }
        return 1
    }

    /// What a statement takes beside its text and its values.
    private static let frame = 64

    /// How a batch ended: the rows of its last statements, or the first one that failed.
    enum Answer {
        case rows([PostgresRows])
        case failed(PostgresResultFault)
    }

    /// The place of the statement that failed, and the server's result.
    struct PostgresResultFault {
        var index: Int
        var state: PostgresFault
    }

    /// Waits for the answers to `count` statements.
    ///
    /// - Parameters:
    ///   - wanted: Of how many of the last ones the rows are wanted.
    ///   - statement: What the last ones are, for messages.
    /// - Throws: Where the connection is gone.
    func answer(to count: Int, last wanted: Int, statement: () -> String) throws -> Answer {
        guard PQpipelineSync(connection) == 1 else { throw broken() }
        kept = 0
        var index = 0
        var answers: [PostgresRows] = []
        var failure: PostgresResultFault?
        while true {
            guard let result = PQgetResult(connection) else {
                guard PQstatus(connection) == CONNECTION_OK, index < count else { throw broken() }
                index += 1
                continue
            }
            switch PQresultStatus(result) {
            case PGRES_PIPELINE_SYNC:
                PQclear(result)
                if pauses > 0 {
                    pauses -= 1
                    continue
                }
                if let failure { return .failed(failure) }
                guard answers.count == wanted else { throw broken() }
                return .rows(answers)
            case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE:
                // idle_in_transaction_session_timeout: it runs only while the server waits for a command.
                if cpq_state(result).map({ String(cString: $0) }) == "25P03" { hasStoodStill = true }
                if failure == nil {
                    let text = index >= count - wanted ? statement() : "what comes before \(statement())"
                    failure = PostgresResultFault(index: index, state: PostgresFault(result, statement: text, address))
                }
                PQclear(result)
                guard PQstatus(connection) == CONNECTION_OK else { throw broken() }
            case PGRES_PIPELINE_ABORTED: PQclear(result)
            default:
                // Every statement has one result.
                if index == count - wanted + answers.count {
                    answers.append(PostgresRows(result))
                } else {
                    PQclear(result)
                }
            }
        }
    }

    /// Runs statements that stand in one text, without values.
    func execute(_ text: String) throws {
        guard PQexitPipelineMode(connection) == 1 else { throw broken() }
        let result = PQexec(connection, text)
        defer { PQclear(result) }
        guard let result, PQstatus(connection) == CONNECTION_OK, PQenterPipelineMode(connection) == 1 else {
            throw broken()
        }
        let status = PQresultStatus(result)
        guard status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY else {
            throw PostgresFault(result, statement: text, address).error
        }
    }

    /// The notices of `NOTIFY` that have come: who sent each, and what it says.
    func notifications() throws -> [(sender: Int32, words: String)] {
        guard PQconsumeInput(connection) == 1 else { throw broken() }
        var found: [(Int32, String)] = []
        while let notice = PQnotifies(connection) {
            found.append((notice.pointee.be_pid, String(cString: notice.pointee.extra)))
            PQfreemem(notice)
        }
        return found
    }

    /// The connection is of no use any more.
    private func broken() -> PerchError {
        isAlive = false
        return PostgresFault(lost: String(cString: PQerrorMessage(connection)), address).error
    }
}
