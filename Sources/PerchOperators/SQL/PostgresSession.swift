// SPDX-License-Identifier: Apache-2.0

internal import CPQ
internal import Glibc
internal import PerchSDK

/// A connection to a PostgreSQL server whose thread sleeps in the kernel until the server answers, the time is over, or it is
/// to stop.
final class PostgresSession: SQLSession {
    let server: PostgresServerSettings
    private let sleep: Sleep
    private let statementTimeout: Duration?
    private var connection: OpaquePointer?
    /// How much later than its own limit a silent server is given up, and how long one may take to stop.
    private static let grace = Duration.seconds(5)

    var name: String { server.name }

    /// Connects.
    init(_ server: PostgresServerSettings, _ stop: StopSignal, statementTimeout: Duration?) throws {
        self.server = server
        self.statementTimeout = statementTimeout
        sleep = Sleep(stop: stop, alarm: try Alarm())
        do {
            try connect()
            if let statementTimeout {
                let limit = min(max(1, TimeSpan(statementTimeout).microseconds / 1_000), Int64(Int32.max))
                try command("SET statement_timeout = \(limit)")
            }
        } catch {
            close()
            throw error
        }
    }

    deinit { close() }

    func close() {
        if let connection { PQfinish(connection) }
        connection = nil
    }

    // MARK: Connecting

    private func connect() throws {
        var names: [UnsafePointer<CChar>?] = server.parameters.map { UnsafePointer(strdup($0.name)) } + [nil]
        var values: [UnsafePointer<CChar>?] = server.parameters.map { UnsafePointer(strdup($0.value)) } + [nil]
        defer { for text in names + values { free(UnsafeMutablePointer(mutating: text)) } }
        sleep.alarm.set(server.connectTimeout)
        connection = PQconnectStartParams(&names, &values, 0)
        guard let connection, PQstatus(connection) != CONNECTION_BAD else { throw unreachable() }
        cpq_silence_notices(connection)
        var next = PGRES_POLLING_WRITING
        while next != PGRES_POLLING_OK {
            guard next == PGRES_POLLING_READING || next == PGRES_POLLING_WRITING else { throw unreachable() }
            switch sleep.until(PQsocket(connection), next == PGRES_POLLING_READING ? POLLIN : POLLOUT) {
            case .ready: next = PQconnectPoll(connection)
            case .stopped: throw CancellationError()
            case .late:
                throw PerchError(
                    .unavailable, "\(name): no connection within \(TimeSpan(server.connectTimeout))")
            }
        }
        PQsetnonblocking(connection, 1)
    }

    private func unreachable() -> PerchError { PerchError(.unavailable, "\(name): \(words)") }

    /// What libpq says is wrong.
    private var words: String {
        guard let connection else { return "libpq has no memory" }
        return server.cleaned(String(cString: PQerrorMessage(connection)))
    }

    // MARK: Statements

    func run(_ text: String, _ parameters: [JSONValue], together: Bool, _ taker: SQLTaker) throws {
        let statements = try SQLScript.statements(of: text)
        guard !statements.isEmpty else { throw NonRetryable("the SQL text holds no statement") }
        let used = statements.flatMap(\.parameters).max() ?? 0
        guard used == parameters.count else { throw SQLFaults.parameters(parameters.count, used: used) }
        if together {
            for statement in statements where SQLScript.endsTransaction(statement.words) {
                throw SQLFaults.transaction(statement.line)
            }
            try command("BEGIN")
        }
        for statement in statements {
            try run(statement, statement.parameters.map { parameters[$0 - 1] }, taker)
        }
        if together { try commit() }
    }

    private func run(_ statement: SQLScript.Statement, _ parameters: [JSONValue], _ taker: SQLTaker) throws {
        var count = 0
        var changed: Int?
        var hasColumns = false
        try ask(statement.text, parameters, place: "line \(statement.line) of the SQL text") { result in
            switch PQresultStatus(result) {
            case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
                throw NonRetryable(
                    "line \(statement.line) of the SQL text copies from or to its client, which has nothing for it; a transfer "
                        + "does that")
            case PGRES_SINGLE_TUPLE, PGRES_TUPLES_OK:
                let columns = PQnfields(result)
                if !hasColumns {
                    hasColumns = true
                    let names = (0..<columns).map { PQfname(result, $0).map { String(cString: $0) } ?? "" }
                    try taker.columns(SQLColumns.unique(names))
                }
                for row in 0..<PQntuples(result) {
                    count += 1
                    try taker.row((0..<columns).map { PostgresCells.cell(result, row, $0) })
                }
            default:
                changed = PQcmdTuples(result).flatMap { Int(String(cString: $0)) }
            }
        }
        taker.end(statement.line, count, changed)
    }

    /// Runs one statement without parameters that gives nothing.
    func command(_ text: String) throws { try ask(text, [], place: "'\(text.shown(60))'") { _ in } }

    /// Runs one statement whose parameters are numbered from 1 without gaps, for what it does.
    func command(_ text: String, _ parameters: [JSONValue], place: String) throws {
        try ask(text, parameters, place: place) { _ in }
    }

    func commit() throws {
        do {
            try command("COMMIT")
        } catch let error as PerchError where connection.map({ PQstatus($0) == CONNECTION_BAD }) ?? true {
            throw PerchError(
                error.code, "\(error.message); the connection broke at COMMIT: whether it took effect is not known")
        }
    }

    /// Sends one statement and gives each of its results, of which a row alone is one.
    ///
    /// - Parameter place: Where it stands, for messages.
    private func ask(
        _ text: String, _ parameters: [JSONValue], place: String, _ each: (OpaquePointer) throws -> Void
    ) throws {
        guard let connection else { throw PerchError(.unavailable, "\(name): the connection is closed") }
        if text.utf8.contains(0) { throw NonRetryable("\(place) holds a zero byte") }
        sleep.alarm.set(statementTimeout.map { $0 + Self.grace })
        guard try PostgresCells.send(text, parameters, connection) else { throw unreachable() }
        PQsetSingleRowMode(connection)
        try results(place, each)
    }

    /// Every result of what was sent. Where `each` throws, what is under way is broken off.
    private func results(_ place: String, _ each: (OpaquePointer) throws -> Void) throws {
        var fault: PerchError?
        try flush()
        while let connection {
            while PQisBusy(connection) == 1 { try receive() }
            guard let result = PQgetResult(connection) else { break }
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE, PGRES_NONFATAL_ERROR:
                if fault == nil { fault = self.fault(of: result, place) }
            default:
                guard fault == nil else { continue }
                do {
                    try each(result)
                } catch {
                    breakOff()
                    throw error
                }
                if PQresultStatus(result) == PGRES_COPY_IN { return }
            }
        }
        if let fault { throw fault }
    }

    /// What is to be sent is sent.
    private func flush() throws {
        while let connection {
            switch PQflush(connection) {
            case 0: return
            case 1: try wait(POLLIN | POLLOUT)
            default: throw unreachable()
            }
            // A server that does not read on before it is read from would never take the rest.
            guard PQconsumeInput(connection) == 1 else { throw unreachable() }
        }
    }

    private func receive() throws {
        try wait(POLLIN)
        guard let connection, PQconsumeInput(connection) == 1 else { throw unreachable() }
    }

    private func wait(_ events: Int32) throws {
        guard let connection else { throw unreachable() }
        switch sleep.until(PQsocket(connection), events) {
        case .ready: return
        case .stopped:
            breakOff()
            throw CancellationError()
        case .late:
            breakOff()
            throw SQLFaults.late(statementTimeout)
        }
    }

    /// Has the server end what it does, waits for that a little, and closes.
    private func breakOff() {
        guard let connection else { return }
        if PQtransactionStatus(connection) == PQTRANS_ACTIVE, let cancel = PQgetCancel(connection) {
            // It connects anew and blocks; the thread has it for itself.
            let address = Int(bitPattern: cancel)
            let isStarted = OperatorThread.start {
                let cancel = OpaquePointer(bitPattern: address)
                var words = [CChar](repeating: 0, count: 256)
                // A server that cannot be reached hears by the end of the connection.
                _ = PQcancel(cancel, &words, 256)
                PQfreeCancel(cancel)
            }
            if !isStarted { PQfreeCancel(cancel) }
            drain(connection)
        }
        close()
    }

    /// Reads on until the server is done, but not for ever.
    private func drain(_ connection: OpaquePointer) {
        guard let alarm = try? Alarm(), let never = try? StopSignal() else { return }  // because it is a courtesy
        alarm.set(Self.grace)
        let sleep = Sleep(stop: never, alarm: alarm)
        while true {
            while PQisBusy(connection) == 1 {
                guard sleep.until(PQsocket(connection), POLLIN) == .ready, PQconsumeInput(connection) == 1 else {
                    return
                }
            }
            guard let result = PQgetResult(connection) else { return }
            let status = PQresultStatus(result)
            PQclear(result)
            if status == PGRES_COPY_IN || status == PGRES_COPY_OUT { return }
        }
    }

    private func fault(of result: OpaquePointer, _ place: String) -> PerchError {
        func field(_ name: Character) -> String? {
            PQresultErrorField(result, Int32(name.asciiValue ?? 0)).map { String(cString: $0) }
        }
        let state = field("C") ?? ""
        // The server's own limit.
        if state == "57014", statementTimeout != nil, !sleep.stop.isRaised { return SQLFaults.late(statementTimeout) }
        var words = field("M") ?? String(cString: PQresultErrorMessage(result))
        if let detail = field("D") { words += "; \(detail)" }
        if let hint = field("H") { words += "; \(hint)" }
        // Of a COPY it names the row: COPY orders, line 3, column id: "x".
        if let context = field("W"), context.hasPrefix("COPY "), let line = context.firstRange(of: ", line ") {
            words += "; row \(context[line.upperBound...])"
        }
        let shown = server.cleaned(words)
        return PerchError(
            .invalid, "\(name): \(place): \(shown)" + (state.isEmpty ? "" : " (\(state))"))
    }

    // MARK: COPY

    /// Begins to copy rows into the server.
    func beginCopy(_ text: String) throws {
        guard let connection else { throw unreachable() }
        sleep.alarm.set(nil)
        guard PQsendQuery(connection, text) == 1 else { throw unreachable() }
        var isCopying = false
        try results("COPY") { result in isCopying = PQresultStatus(result) == PGRES_COPY_IN }
        guard isCopying else { throw PerchError(.unavailable, "\(name): the server does not take COPY") }
    }

    /// Sends rows in the text form of COPY.
    func copy(_ bytes: [UInt8]) throws {
        guard let connection else { throw unreachable() }
        while true {
            let sent = bytes.withUnsafeBytes { buffer in
                PQputCopyData(connection, buffer.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(buffer.count))
            }
            if sent == 1 { break }
            guard sent == 0 else { throw copyFault() }
            try wait(POLLIN | POLLOUT)
        }
        try flush()
    }

    /// Ends the copying; gives how many rows the server has taken.
    func endCopy() throws -> Int {
        guard let connection else { throw unreachable() }
        while true {
            let sent = PQputCopyEnd(connection, nil)
            if sent == 1 { break }
            guard sent == 0 else { throw copyFault() }
            try wait(POLLIN | POLLOUT)
        }
        var count = 0
        try results("COPY") { result in
            count = PQcmdTuples(result).flatMap { Int(String(cString: $0)) } ?? 0
        }
        return count
    }

    /// The server has ended the copying: why, it says in the result.
    private func copyFault() -> any Error {
        do {
            try results("COPY") { _ in }
            return unreachable()
        } catch {
            return error
        }
    }
}
