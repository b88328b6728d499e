// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// A connection as the metastore's statements see one.
///
/// Begins, savepoints and their ends ask for no answer: they travel with the statement that follows. So a write of one
/// statement goes to the server and back twice, and one without any not at all.
final class PostgresConnection: SQLConnection {
    let link: PostgresLink
    /// How a transaction that writes waits for its turn.
    private let turn: [String]
    /// How long a transaction that writes may stand still between two statements before the server ends it and its session, in
    /// milliseconds: a process that is stopped in the middle must not stop the others for long.
    var longestStill = 200
    /// What a transaction that writes asks first; nil: nothing.
    var fence: PostgresFence?
    /// Whether its answer was that this process may write no more.
    private(set) var isFenced = false
    private let prepares: Bool
    /// Names of prepared statements, by the address of their text.
    private var prepared: [StatementKey: String] = [:]
    private var lastName = 0
    /// Those of the batch under way that were not prepared before it.
    private var isFresh: [StatementKey] = []
    /// What is still to be sent, and how many of the first ones begin a transaction.
    private var waiting: [Waiting] = []
    private var beginning = 0
    private var standing = Standing.outside
    private(set) var totalChanges = 0

    private enum Waiting {
        case command(String)
        /// What a transaction asks before anything else.
        case question(StaticString, PostgresValues)
        case post(StaticString, rows: Int, PostgresValues)

        func isCommand(_ text: String) -> Bool { if case .command(text) = self { true } else { false } }

        var size: Int {
            switch self {
            case .command(let text): text.utf8.count
            case .question(let sql, let values), .post(let sql, _, let values): sql.utf8CodeUnitCount + values.size
            }
        }
    }

    private enum Standing {
        case outside
        case inside(isWriting: Bool)
        /// A statement failed, and the server takes no other before the part is undone.
        case failed(PostgresFault, isWriting: Bool)
        /// The server has given up the transaction, or is gone.
        case lost(PostgresFault)
    }

    /// Whether a transaction is open.
    var isInside: Bool { if case .outside = standing { false } else { true } }
    /// Whether the server has given up the transaction.
    var isLost: Bool { if case .lost = standing { true } else { false } }

    private static let savepoint = "SAVEPOINT part"
    /// So many statements wait at most: their answers have room on the way back.
    private static let mostWaiting = 128

    /// - Parameters:
    ///   - lock: The key of the lock that writers take one after another.
    ///   - patience: How long a writer waits for it, in milliseconds; nil: for as long as it takes.
    ///   - prepares: Whether statements are prepared once, under a name.
    init(link: PostgresLink, lock: String, patience: Int? = nil, prepares: Bool) {
        self.link = link
        self.prepares = prepares
        turn =
            (patience.map { ["SET LOCAL lock_timeout = \($0)"] } ?? []) + ["SELECT pg_advisory_xact_lock(\(lock))"]
    }

    func run(_ sql: StaticString, _ values: [SQLValue]) throws -> Int {
        let changed = try ask(sql, values).changed
        totalChanges += changed
        return changed
    }

    func post(_ sql: StaticString, _ values: [SQLValue]) throws { try runMany(sql, rows: 1, values) }

    func runMany(_ sql: StaticString, rows: Int, _ values: [SQLValue]) throws {
        try requireSound()
        waiting.append(.post(sql, rows: rows, PostgresValues(values)))
        totalChanges += rows
        if waiting.count >= Self.mostWaiting { try flush() }
    }

    func query(_ sql: StaticString, _ values: [SQLValue], _ body: (borrowing SQLRow) throws -> Void) throws {
        try ask(sql, values).forEach(body)
    }

    func queryFirst(_ sql: StaticString, _ values: [SQLValue], _ body: (borrowing SQLRow) throws -> Void) throws {
        try ask(sql, values).first(body)
    }

    func query(
        _ sql: StaticString, forEach lists: [[SQLValue]], _ body: (Int, borrowing SQLRow) throws -> Void
    ) throws {
        for start in stride(from: 0, to: lists.count, by: Self.mostWaiting) {
            let values = lists[start..<min(start + Self.mostWaiting, lists.count)].map { PostgresValues($0) }
            let answers = try batch("\(sql)", answers: values.count, size: values.reduce(0) { $0 + $1.size }) {
                try values.reduce(0) { try $0 + send(sql, $1, inSteps: false) }
            }
            for (place, rows) in answers.enumerated() { try rows.forEach { row in try body(start + place, row) } }
        }
    }

    func query(text sql: String, _ values: [SQLValue], _ body: (borrowing SQLRow) throws -> Void) throws {
        let text = SQLDialect.postgres.translate(sql)
        let values = PostgresValues(values)
        let rows = try batch(sql, size: values.size) { try link.send(text, values) }
        try rows.forEach(body)
    }

    func execute(script: String) throws {
        if !waiting.isEmpty { try flush() }
        try requireSound()
        try link.execute(SQLDialect.postgres.translate(script: script))
    }

    // MARK: Transactions

    /// Of a transaction, not of a session, which a pooler gives to others. Every statement that writes finds its rows by an index;
    /// where it is for many rows, and the server has not counted those of a young table yet, it would read all of them and join. What
    /// is switched off counts as endlessly dear where it is done all the same, and would be worth compiling.
    private var settings: String {
        [
            ("idle_in_transaction_session_timeout", "\(longestStill)"), ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"), ("enable_mergejoin", "off"), ("jit", "off"),
        ].map { "set_config('\($0.0)', '\($0.1)', true)" }.joined(separator: ", ")
    }

    func perform(_ step: TransactionStep) throws {
        switch step {
        case .begin:
            standing = .inside(isWriting: true)
            let first = ["BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", "SELECT \(settings)"]
            let question = fence.map { [Waiting.question(PostgresFence.question, PostgresValues($0.values))] } ?? []
            // It is asked before the turn comes, in which others would wait for its answer.
            waiting = first.map { .command($0) } + question + turn.map { .command($0) }
            beginning = waiting.count
        case .beginReading:
            standing = .inside(isWriting: false)
            waiting = [.command("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")]
            beginning = 1
        case .commit: try commit()
        case .rollback: try rollBack()
        case .restart:
            if case .lost(let fault) = standing { throw Self.loss(fault) }
            do {
                try rollBack()
            } catch let error as PerchError {
                // Nothing was to be committed yet: all of it is made again.
                throw LostTransaction(cause: error)
            }
            try perform(.begin)
        case .beginPart: waiting.append(.command(Self.savepoint))
        case .endPart: try endPart()
        case .undoPart: try undoPart()
        }
    }

    /// What is wrong with a post is its own part's fault, and has to come before that is ended.
    func settle() throws {
        if case .post = waiting.last { try flush() }
    }

    private func endPart() throws {
        switch standing {
        case .lost(let fault): throw Self.loss(fault)
        case .failed(let fault, _):
            throw PerchError(.metastore, "a statement failed, and its transaction went on: \(fault.error.message)")
        case .inside, .outside: break
        }
        if waiting.last?.isCommand(Self.savepoint) == true {
            waiting.removeLast()
        } else {
            waiting.append(.command("RELEASE SAVEPOINT part"))
        }
    }

    private func undoPart() throws {
        if case .lost(let fault) = standing { throw Self.loss(fault) }
        if let place = waiting.lastIndex(where: { $0.isCommand(Self.savepoint) }) {
            // The server has not heard of it.
            waiting.removeSubrange(place...)
        } else {
            waiting = [.command("ROLLBACK TO SAVEPOINT part"), .command("RELEASE SAVEPOINT part")]
        }
        if case .failed(_, let isWriting) = standing { standing = .inside(isWriting: isWriting) }
    }

    private func commit() throws {
        let before = standing
        switch standing {
        case .outside: throw PerchError(.metastore, "a COMMIT stands outside of a transaction")
        case .lost(let fault): throw Self.loss(fault)
        case .failed(let fault, _): throw fault.error
        case .inside: break
        }
        // A transaction that holds no statement.
        let isEmpty = waiting.allSatisfy { if case .post = $0 { false } else { true } }
        if isUnsent, isEmpty {
            waiting = []
            standing = .outside
            return
        }
        do {
            let end = try command("COMMIT")
            standing = .outside
            guard end.tag == "COMMIT" else {
                throw PerchError(.metastore, "\(link.address.name) has undone a transaction that was to be committed")
            }
        } catch {
            guard case .lost(let fault) = standing else { throw error }
            // An answer that says no is one; a connection that breaks leaves it open.
            if link.isAlive || link.hasStoodStill { throw Self.loss(fault) }
            guard case .inside(true) = before else { throw Self.loss(fault) }
            throw PerchError(
                .unavailable,
                "\(fault.error.message); the connection broke at COMMIT: whether it took effect is not known")
        }
    }

    private func rollBack() throws {
        let isUnsent = isUnsent
        waiting = []
        defer { standing = .outside }
        guard !isUnsent, link.isAlive else { return }
        if case .outside = standing { return }
        standing = .inside(isWriting: false)
        _ = try command("ROLLBACK")
    }

    /// Whether the server has not heard of the transaction.
    private var isUnsent: Bool {
        if case .command(let text) = waiting.first { text.hasPrefix("BEGIN ") } else { false }
    }

    private static func loss(_ fault: PostgresFault) -> any Error {
        fault.mayPass ? LostTransaction(cause: fault.error) : fault.error
    }

    // MARK: Statements

    private func requireSound() throws {
        switch standing {
        case .outside, .inside: return
        case .failed(let fault, _), .lost(let fault): throw fault.error
        }
    }

    /// Sends what waits.
    private func flush() throws { _ = try command("SELECT 1") }

    /// Begins the transaction ahead of a long batch, and waits for its turn.
    private func open() throws {
        let later = waiting.dropFirst(beginning)
        waiting.removeSubrange(beginning...)
        try flush()
        waiting.append(contentsOf: later)
    }

    private func command(_ text: String) throws -> PostgresRows {
        try batch(text) {
            try link.send(text)
            return 1
        }
    }

    private func ask(_ sql: StaticString, _ values: [SQLValue]) throws -> PostgresRows {
        let values = PostgresValues(values)
        return try batch("\(sql)", size: values.size) { try send(sql, values) }
    }

    /// Sends a statement, prepared before where it is new here. Gives how many answers come of it.
    private func send(
        _ sql: StaticString, rows: Int = 1, _ values: PostgresValues, inSteps: Bool = true
    ) throws -> Int {
        let key = StatementKey(sql, rows: rows)
        if let name = prepared[key] {
            try link.send(prepared: name, values)
            return 1
        }
        let text = SQLDialect.postgres.translate(SQLDialect.repeating(sql, rows: rows))
        guard prepares else { return try link.send(text, values, inSteps: inSteps) }
        // A name is used once: what was prepared stays, even where the statement behind it fails.
        lastName += 1
        let name = "perch_\(lastName)"
        try link.sendPrepare(name, text)
        try link.send(prepared: name, values)
        prepared[key] = name
        isFresh.append(key)
        return 2
    }

    /// Sends what waits and one statement more, and gives the rows of that.
    private func batch(
        _ statement: @autoclosure () -> String, size: Int = 0, _ send: () throws -> Int
    ) throws -> PostgresRows {
        try batch(statement(), answers: 1, size: size, send)[0]
    }

    /// Sends what waits and more statements, and gives the rows of the last ones, as many as are wanted.
    private func batch(
        _ statement: @autoclosure () -> String, answers wanted: Int, size: Int, _ send: () throws -> Int
    ) throws -> [PostgresRows] {
        try requireSound()
        if isUnsent, waiting.reduce(size, { $0 + $1.size }) > PostgresLink.most { try open() }
        // What follows a BEGIN that has failed must not be done by itself.
        link.mayPause = isInside && !isUnsent
        let before = waiting
        waiting = []
        isFresh = []
        var count = 0
        // How many answers come before those of the part that is under way, and which is the fence's.
        var outside = 0
        var fencing: Int?
        let answer: PostgresLink.Answer
        do {
            for item in before {
                switch item {
                case .command(let text):
                    try link.send(text)
                    count += 1
                    // What comes of the part itself comes after its savepoint.
                    outside = count
                case .question(let sql, let values):
                    count += try self.send(sql, values)
                    outside = count
                    fencing = count - 1
                case .post(let sql, let rows, let values): count += try self.send(sql, rows: rows, values)
                }
            }
            count += try send()
            answer = try link.answer(to: count, last: wanted, statement: statement)
        } catch let error as PerchError {
            standing = .lost(PostgresFault(error: error, mayPass: true))
            throw error
        }
        switch answer {
        case .rows(let rows): return rows
        case .failed(let failure):
            // Whether they were prepared before it failed is not known.
            for key in isFresh { prepared[key] = nil }
            isFenced = isFenced || failure.index == fencing && failure.state.sqlState == PostgresFence.failure
            note(failure, isOwn: failure.index >= outside)
            throw failure.state.error
        }
    }

    private func note(_ failure: PostgresLink.PostgresResultFault, isOwn: Bool) {
        guard case .inside(let isWriting) = standing else { return }
        // What began the transaction or a part of it has failed, or it met another transaction: no part can be saved.
        if !isOwn || failure.state.mayPass {
            standing = .lost(failure.state)
        } else {
            standing = .failed(failure.state, isWriting: isWriting)
        }
    }
}
