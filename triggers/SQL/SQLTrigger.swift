// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Asks a database again and again until the rows of a query meet a condition.
public struct SQLTrigger: Trigger {
    public typealias Event = SQLEvent
    public static let kind = "sql"
    /// The shortest period that is taken.
    public static let shortestPeriod = TimeSpan(microseconds: 100_000)
    /// The longest period and the longest time for a query that are taken.
    public static let longest = TimeSpan.seconds(366 * 86_400)

    /// One statement that gives rows and changes nothing. May hold templates, as parameters may; what comes from outside
    /// belongs in a parameter.
    public var query: String
    /// The values of the query's places: `$1`, `$2`, … with PostgreSQL, `?` or `?1`, … with SQLite.
    public var parameters: [JSONValue]
    public var database: SQLDatabase
    /// The time from one query to the next.
    public var every: TimeSpan
    /// What ends the wait.
    public var until: SQLCondition
    /// How long the query may run.
    public var timeout: TimeSpan
    /// A channel of PostgreSQL (`NOTIFY`): what is notified there makes the query run at once. Nil: by its period alone.
    public var listen: String?

    /// A wait for rows.
    public init(
        _ query: String, _ parameters: [JSONValue] = [], on database: SQLDatabase, every: TimeSpan = .seconds(60),
        until: SQLCondition = .truthy, timeout: TimeSpan = .seconds(10), listen: String? = nil
    ) {
        self.listen = listen
        self.query = query
        self.parameters = parameters
        self.database = database
        self.every = every
        self.until = until
        self.timeout = timeout
    }

    public var target: String {
        let words = query.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        let values = parameters.isEmpty ? "" : " with \(JSONValue.array(parameters).text)"
        return "\(database) \(words)\(values)"
    }

    public var problems: [String] {
        var problems = database.problems + until.problems
        if query.allSatisfy(\.isWhitespace) { problems.append("the query is empty") }
        let texts = [query] + parameters.compactMap { if case .string(let text) = $0 { text } else { nil } }
        if texts.contains(where: { $0.utf8.contains(0) }) {
            problems.append("the query or a parameter holds a zero byte")
        }
        if every < Self.shortestPeriod {
            problems.append("'every' is \(every); the shortest is \(Self.shortestPeriod)")
        }
        if let listen {
            if case .sqlite = database { problems.append("SQLite has no channels to listen to") }
            // What PostgreSQL keeps of a name.
            if listen.isEmpty || listen.utf8.count > 63 || listen.utf8.contains(0) {
                problems.append("a channel's name has 1 to 63 bytes, none of them zero")
            }
        }
        if timeout.microseconds < 1_000 { problems.append("a query's timeout is a millisecond at least") }
        for (name, span) in [("every", every), ("timeout", timeout)] where span > Self.longest {
            problems.append("'\(name)' is \(span); the longest is \(Self.longest)")
        }
        return problems
    }

    /// Reads a trigger; everything but the query and its database may be missing.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            try container.decode(String.self, forKey: .query),
            try container.decodeIfPresent([JSONValue].self, forKey: .parameters) ?? [],
            on: try container.decode(SQLDatabase.self, forKey: .database),
            every: try container.decodeIfPresent(TimeSpan.self, forKey: .every) ?? .seconds(60),
            until: try container.decodeIfPresent(SQLCondition.self, forKey: .until) ?? .truthy,
            timeout: try container.decodeIfPresent(TimeSpan.self, forKey: .timeout) ?? .seconds(10),
            listen: try container.decodeIfPresent(String.self, forKey: .listen))
    }

    private enum CodingKeys: String, CodingKey {
        case query, parameters, database, every, until, timeout, listen
    }
}

/// The rows that met the condition.
public struct SQLEvent: Codable, Hashable, Sendable {
    /// The names of the columns, in their order; one that comes again has its number behind it: `id`, `id_2`.
    public var columns: [String]
    /// Objects by the names of the columns. At most 1,000 of together 256 KiB.
    public var rows: [JSONValue]
    /// Whether there were more rows than these.
    public var isCut: Bool
    /// When they were read.
    public var at: Timestamp

    /// An event from its parts.
    public init(columns: [String], rows: [JSONValue], isCut: Bool = false, at: Timestamp) {
        self.columns = columns
        self.rows = rows
        self.isCut = isCut
        self.at = at
    }

    /// The first value of the first row; nil where there is none.
    public var value: JSONValue? { columns.first.flatMap { rows.first?[$0] } }

    /// The rows as a type of the caller, by the names of the columns.
    /// - Throws: An error that names the place and what was wanted there.
    public func decode<Row: Decodable>(_ type: Row.Type) throws -> [Row] { try rows.map { try $0.decode(type) } }

    enum CodingKeys: String, CodingKey {
        case columns, rows, at
        case isCut = "is_cut"
    }
}

extension Trigger where Self == SQLTrigger {
    /// Asks a database until the rows of a query meet a condition. Waits for the same query share it, each with its own
    /// condition.
    ///
    /// ```swift
    /// .sql("SELECT state FROM jobs WHERE id = $1", [.string("{{ params.job }}")],
    ///      on: .postgres(host: "db", database: "jobs", user: "perch", password: .secret("JOBS_DB")),
    ///      until: .value(in: ["DONE", "FAILED"]))
    /// ```
    ///
    /// - Parameters:
    ///   - query: One statement that gives rows; it runs in a read-only transaction.
    ///   - parameters: The values of its places: `$1`, … with PostgreSQL, `?` with SQLite.
    ///   - every: The time from one query to the next, give or take a tenth; longer while queries fail.
    ///   - until: What ends the wait; by default that the first value is neither null, false, 0 nor empty.
    ///   - timeout: How long the query may run.
    ///   - listen: A channel of PostgreSQL: what is notified there (`NOTIFY`) makes the query run at once. The query decides,
    ///     so nothing is lost where a notification is; `every` bounds how long it may take then.
    public static func sql(
        _ query: String, _ parameters: [JSONValue] = [], on database: SQLDatabase, every: Duration = .seconds(60),
        until: SQLCondition = .truthy, timeout: Duration = .seconds(10), listen: String? = nil
    ) -> SQLTrigger {
        SQLTrigger(
            query, parameters, on: database, every: TimeSpan(every), until: until, timeout: TimeSpan(timeout),
            listen: listen)
    }
}
