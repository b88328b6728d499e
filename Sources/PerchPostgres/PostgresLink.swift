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

    /// What is used where the URI says nothing of it.
    private static let defaults = [
        ("connect_timeout", "10"), ("keepalives_idle", "30"), ("keepalives_interval", "10"), ("keepalives_count", "3"),
        ("tcp_user_timeout", "60000"),
    ]

    /// Connects.
    ///
    /// - Parameter purpose: What it is for, as the server's administrator sees it.
    /// - Throws: `unavailable` with why that failed.
    init(_ address: PostgresAddress, purpose: String) throws {
        self.address = address
        // Those behind the URI overrule it.
        let settings =
            Self.defaults + [
                ("dbname", address.uri), ("client_encoding", "UTF8"), ("fallback_application_name", purpose),
            ]
        var names: [UnsafePointer<CChar>?] = settings.map { UnsafePointer(strdup($0.0)) } + [nil]
        var values: [UnsafePointer<CChar>?] = settings.map { UnsafePointer(strdup($0.1)) } + [nil]
        defer { for text in names + values { free(UnsafeMutablePointer(mutating: text)) } }
        guard let connection = PQconnectdbParams(&names, &values, 1) else {
            throw PerchError(.unavailable, "\(address.name): libpq has no memory")
        }
        self.connection = connection
        cpq_silence_notices(connection)
        guard PQstatus(connection) == CONNECTION_OK, PQenterPipelineMode(connection) == 1 else {
            throw PostgresFault(lost: String(cString: PQerrorMessage(connection)), address).error
        }
    }

    deinit { PQfinish(connection) }

    var socket: Int32 { PQsocket(connection) }
    var serverProcess: Int32 { PQbackendPID(connection) }

    /// Sends a statement without values whose answer is awaited together with that of the next one.
    func send(_ command: String) throws {
        guard PQsendQueryParams(connection, command, 0, nil, nil, nil, nil, 0) == 1 else { throw broken() }
    }

    func sendPrepare(_ name: String, _ text: String) throws {
        guard PQsendPrepare(connection, name, text, 0, nil) == 1 else { throw broken() }
    }

    func send(prepared name: String, _ values: PostgresValues) throws {
        let isSent = values.withPointers { PQsendQueryPrepared(connection, name, $0, $1, nil, nil, 0) }
        guard isSent == 1 else { throw broken() }
    }

    func send(_ text: String, _ values: PostgresValues) throws {
        let isSent = values.withPointers { PQsendQueryParams(connection, text, $0, nil, $1, nil, nil, 0) }
        guard isSent == 1 else { throw broken() }
    }

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
