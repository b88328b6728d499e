// SPDX-License-Identifier: Apache-2.0

internal import CPQ
internal import PerchReactor
internal import PerchSDK

/// One connection that answers one query at a time: a read-only transaction with a limit of time, and a cursor of which
/// no more rows are fetched than are wanted. All of it goes to the server at once.
final class PostgresSession {
    /// What is asked in one go, in this order.
    private enum Step: Int {
        case begin, limit, declare, fetch, firstSync, rollback, secondSync
    }

    /// How much later than the server's own limit a silent server is given up.
    private static let grace: Int64 = 2_000_000

    private let link: PostgresLink
    private let password: String?
    private let loop: any EventLoop
    private var timer: LoopTimer?
    private var query: SQLQuery?
    private var done: ((SQLOutcome) -> Void)?
    private var step = Step.begin
    private var rows = SQLRows()
    private var fault: (kind: String, words: String)?
    private(set) var isUsable = true

    init(link: PostgresLink, password: String?, loop: any EventLoop) {
        self.link = link
        self.password = password
        self.loop = loop
    }

    func ask(_ query: SQLQuery, done: @escaping (SQLOutcome) -> Void) {
        self.query = query
        self.done = done
        rows = SQLRows()
        fault = nil
        step = .begin
        link.onRead = { [weak self] in self?.read() }
        link.onLost = { [weak self] words in self?.lost(words) }
        let span = TimeSpan(microseconds: query.timeout)
        timer = loop.schedule(at: loop.now + query.timeout + Self.grace) { [weak self] in
            self?.timer = nil
            self?.link.fail("the server has not answered within \(span)")
        }
        guard send(query) else {
            loop.enqueue { [weak self] in self?.link.fail("the query cannot be sent") }
            return
        }
        link.flush()
    }

    private func send(_ query: SQLQuery) -> Bool {
        guard let connection = link.connection, PQenterPipelineMode(connection) == 1 else { return false }
        func send(_ text: String) -> Bool {
            PQsendQueryParams(connection, text, 0, nil, nil, nil, nil, 0) == 1
        }
        let limit = min(max(1, query.timeout / 1_000), Int64(Int32.max))
        return send("BEGIN TRANSACTION READ ONLY") && send("SET LOCAL statement_timeout = \(limit)")
            && PostgresValues.send(
                "DECLARE perch_rows NO SCROLL CURSOR FOR \(query.text)", query.parameters, connection)
            && send("FETCH FORWARD \(query.readLimit) FROM perch_rows") && PQpipelineSync(connection) == 1
            && send("ROLLBACK") && PQpipelineSync(connection) == 1
    }

    private func read() {
        while let connection = link.connection, done != nil, PQisBusy(connection) == 0 {
            guard let result = PQgetResult(connection) else {
                advance(connection)
                continue
            }
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_PIPELINE_SYNC:
                if step == .secondSync { return finish(connection) }
                step = .rollback
            case PGRES_SINGLE_TUPLE,
                PGRES_TUPLES_OK where step == .fetch:
                take(result)
            case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE, PGRES_NONFATAL_ERROR:
                if fault == nil { fault = self.fault(of: result) }
            default: break
            }
        }
    }

    /// One of the queries has no more results.
    private func advance(_ connection: OpaquePointer) {
        step = Step(rawValue: step.rawValue + 1) ?? .secondSync
        // Where it is not to be had, the rows come together: as many as are fetched.
        if step == .fetch { PQsetSingleRowMode(connection) }
    }

    private func take(_ result: OpaquePointer) {
        guard let query else { return }
        let columns = PQnfields(result)
        if rows.columns.isEmpty {
            rows.name((0..<columns).map { PQfname(result, $0).map { String(cString: $0) } ?? "" })
        }
        for row in 0..<PQntuples(result) {
            let size = (0..<columns).reduce(0) { $0 + Int(PQgetlength(result, row, $1)) }
            rows.append(bytes: size, query) { (0..<columns).map { PostgresValues.value(result, row, $0) } }
        }
    }

    private func fault(of result: OpaquePointer) -> (kind: String, words: String) {
        let state = cpq_state(result).map { String(cString: $0) } ?? ""
        let message =
            cpq_message(result).map { String(cString: $0) } ?? String(cString: PQresultErrorMessage(result))
        if state == "57014", let query {
            return (
                "timeout", "the query took longer than \(TimeSpan(microseconds: query.timeout)) and was stopped"
            )
        }
        let words = PostgresLink.clean(message, password)
        return ("query \(state)", state.isEmpty ? words : "\(words) (\(state))")
    }

    private func finish(_ connection: OpaquePointer) {
        if PQexitPipelineMode(connection) != 1 { isUsable = false }
        if let fault { return end(.failed(kind: fault.kind, fault.words)) }
        end(.rows(rows))
    }

    private func lost(_ words: String) {
        isUsable = false
        // What the server said before it closed the connection says more.
        end(.failed(kind: "lost", fault?.words ?? words))
    }

    private func end(_ outcome: SQLOutcome) {
        if let timer { loop.cancel(timer) }
        timer = nil
        let done = done
        self.done = nil
        query = nil
        rows = SQLRows()
        done?(outcome)
    }

    /// Stays connected for a while without anything to do; `gone` is called if it ends by itself.
    func idle(for span: Int64, gone: @escaping () -> Void) {
        link.onRead = nil
        link.onLost = { [weak self] _ in
            self?.isUsable = false
            self?.close()
            gone()
        }
        timer = loop.schedule(at: loop.now + span) { [weak self] in
            self?.timer = nil
            self?.close()
            gone()
        }
    }

    func stopIdling() {
        if let timer { loop.cancel(timer) }
        timer = nil
    }

    func close() {
        isUsable = false
        done = nil
        if let timer { loop.cancel(timer) }
        timer = nil
        link.close()
    }
}
