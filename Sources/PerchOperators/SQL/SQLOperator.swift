// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Where the text of SQL comes from.
public enum SQLText: Hashable, Sendable {
    /// Statements with semicolons between. May hold templates.
    case text(String)
    /// A file of them. The path may hold templates, and so may the file.
    case file(String)
}

/// What of the last statement that gives rows is the output.
public enum SQLResult: String, Codable, Hashable, Sendable, CaseIterable {
    /// All its rows: an array of objects.
    case rows
    /// The first row: an object, or null.
    case row
    /// The first value of the first row, or null.
    case value
}

/// Runs statements on PostgreSQL (so Redshift) or SQLite.
///
/// - The connection is of the type `postgres`, `redshift` or `sqlite` (`sqlite:///data/orders.db`; its extra may have `create`:
///   `yes` and `lock_timeout`). The extra of PostgreSQL may have libpq's `sslmode`, `sslrootcert`, `sslcert`, `sslkey`,
///   `options`, `application_name`, and `connect_timeout`.
/// - All statements are one transaction, unless `autocommit` is set. A task that fails, is cancelled or dies leaves nothing of it; one
///   whose process dies right after COMMIT runs it again, so write statements that may be repeated.
/// - Parameters are `$1`, `$2`, …, bound by the database and never written into the text. Templates are: what comes from outside
///   belongs into parameters.
/// - A cancelled task breaks its statement off.
public struct SQLOperator<Value: Codable & Sendable>: Operator {
    /// Without the type of what it gives.
    public static var operatorName: String { "SQLOperator" }

    /// What `result` says, decoded.
    public typealias Output = Value

    public var sql: SQLText
    /// The id of the connection. May hold templates.
    public var connection: String
    /// The values of `$1`, `$2`, …. Strings in them may hold templates.
    public var parameters: [JSONValue]
    public var result: SQLResult
    /// Whether each statement is a transaction of its own: for what cannot run in one, such as `VACUUM`.
    public var autocommit: Bool
    /// The most rows that a statement may give.
    public var maximumRows: Int
    /// How large the rows of a statement may be, in bytes.
    public var maximumOutputSize: Int
    /// How long one statement may take; nil: as long as the task may.
    public var statementTimeout: Duration?

    /// Statements with their bounds.
    public init(
        _ sql: SQLText, connection: String, parameters: [JSONValue] = [], result: SQLResult = .rows,
        autocommit: Bool = false, maximumRows: Int = 10_000, maximumOutputSize: Int = 4 << 20,
        statementTimeout: Duration? = nil, returning type: Value.Type = Value.self
    ) {
        self.sql = sql
        self.connection = connection
        self.parameters = parameters
        self.result = result
        self.autocommit = autocommit
        self.maximumRows = maximumRows
        self.maximumOutputSize = maximumOutputSize
        self.statementTimeout = statementTimeout
    }

    /// Everything that may hold templates.
    public var templates: [String] { templateFields.map(\.text) }

    /// The same by its names.
    public var templateFields: [TemplateField] {
        var fields: [TemplateField] = []
        switch sql {
        case .text(let text): fields.append(TemplateField("sql", text))
        case .file(let path): fields.append(TemplateField("file", path))
        }
        fields.append(TemplateField("connection", connection))
        fields.add("parameters", .array(parameters))
        return fields
    }

    /// No statement, or a bound that nothing can meet.
    public var problems: [String] {
        var found: [String] = []
        switch sql {
        case .text(let text):
            if text.allSatisfy(\.isWhitespace) { found.append("the SQL text is empty") }
        case .file(let path):
            if path.isEmpty { found.append("the path of the SQL file is empty") }
        }
        if connection.isEmpty { found.append("the connection's id is empty") }
        if maximumRows < 0 { found.append("maximumRows is negative") }
        if maximumOutputSize < 1 { found.append("maximumOutputSize is \(maximumOutputSize); it is a number from 1") }
        if let statementTimeout, statementTimeout <= .zero { found.append("statementTimeout is not positive") }
        return found
    }

    /// Runs the statements.
    public func execute(_ context: TaskContext) async throws -> Value {
        let call = try await SQLCall(
            sql, connection, parameters, context, together: !autocommit, maximumRows: maximumRows,
            maximumSize: maximumOutputSize, statementTimeout: statementTimeout)
        let rows = try await call.run()
        let value: JSONValue =
            switch result {
            case .rows: .array(rows.objects)
            case .row: rows.objects.first ?? .null
            case .value: rows.first ?? .null
            }
        do {
            return try value.decode(Value.self)
        } catch {
            throw NonRetryable("the rows are no \(Value.self): \(error)")
        }
    }
}

/// Runs a query and fails unless every value of its first row is true: not null, false, 0, an empty text or `false`.
///
/// A query that gives no row fails, too. Connections, parameters and bounds are those of `SQLOperator`; the output is the row.
public struct SQLCheckOperator: Operator {
    /// The row, by the names of its columns.
    public typealias Output = JSONValue

    public var sql: SQLText
    public var connection: String
    public var parameters: [JSONValue]
    public var statementTimeout: Duration?

    /// A query with its bounds.
    public init(
        _ sql: SQLText, connection: String, parameters: [JSONValue] = [], statementTimeout: Duration? = nil
    ) {
        self.sql = sql
        self.connection = connection
        self.parameters = parameters
        self.statementTimeout = statementTimeout
    }

    private var query: SQLOperator<JSONValue> {
        SQLOperator(
            sql, connection: connection, parameters: parameters, result: .row, statementTimeout: statementTimeout)
    }

    /// Everything that may hold templates.
    public var templates: [String] { query.templates }
    /// The same by its names.
    public var templateFields: [TemplateField] { query.templateFields }
    /// What is wrong with the query.
    public var problems: [String] { query.problems }

    /// Runs the query.
    public func execute(_ context: TaskContext) async throws -> JSONValue {
        let row = try await query.execute(context)
        guard case .object(let values) = row else { throw SQLCheckFailed(description: "the check gave no row") }
        let bad = values.sorted { $0.key < $1.key }.filter { !Self.isTrue($0.value) }
        guard bad.isEmpty else {
            let words = bad.map { "\($0.key.shown(60)) is \($0.value.text.shown(80))" }.joined(separator: ", ")
            throw SQLCheckFailed(description: "the check failed: \(words)")
        }
        return row
    }

    private static func isTrue(_ value: JSONValue) -> Bool {
        switch value {
        case .null, .bool(false), .integer(0), .string(""), .string("false"), .string("f"), .string("0"): false
        case .number(let number): number != 0
        default: true
        }
    }
}

/// A check that found what it looks for.
struct SQLCheckFailed: Error, CustomStringConvertible {
    var description: String
}

extension Operator {
    /// A task that runs statements; its output is the rows of the last one that gives some, as a type. See `SQLOperator`.
    public static func sql<Value: Codable & Sendable>(
        _ text: String, connection: String, parameters: [JSONValue] = [], result: SQLResult = .rows,
        autocommit: Bool = false, maximumRows: Int = 10_000, statementTimeout: Duration? = nil,
        returning type: Value.Type
    ) -> SQLOperator<Value> where Self == SQLOperator<Value> {
        SQLOperator(
            .text(text), connection: connection, parameters: parameters, result: result, autocommit: autocommit,
            maximumRows: maximumRows, statementTimeout: statementTimeout)
    }

    /// A task that runs a file of statements; see `SQLOperator`.
    public static func sql<Value: Codable & Sendable>(
        file: String, connection: String, parameters: [JSONValue] = [], result: SQLResult = .rows,
        autocommit: Bool = false, maximumRows: Int = 10_000, statementTimeout: Duration? = nil,
        returning type: Value.Type
    ) -> SQLOperator<Value> where Self == SQLOperator<Value> {
        SQLOperator(
            .file(file), connection: connection, parameters: parameters, result: result, autocommit: autocommit,
            maximumRows: maximumRows, statementTimeout: statementTimeout)
    }
}

extension Operator where Self == SQLOperator<JSONValue> {
    /// A task that runs statements; its output is the rows of the last one that gives some, as JSON. See `SQLOperator`.
    public static func sql(
        _ text: String, connection: String, parameters: [JSONValue] = [], result: SQLResult = .rows,
        autocommit: Bool = false, maximumRows: Int = 10_000, statementTimeout: Duration? = nil
    ) -> SQLOperator<JSONValue> {
        SQLOperator(
            .text(text), connection: connection, parameters: parameters, result: result, autocommit: autocommit,
            maximumRows: maximumRows, statementTimeout: statementTimeout)
    }

    /// A task that runs a file of statements; see `SQLOperator`.
    public static func sql(
        file: String, connection: String, parameters: [JSONValue] = [], result: SQLResult = .rows,
        autocommit: Bool = false, maximumRows: Int = 10_000, statementTimeout: Duration? = nil
    ) -> SQLOperator<JSONValue> {
        SQLOperator(
            .file(file), connection: connection, parameters: parameters, result: result, autocommit: autocommit,
            maximumRows: maximumRows, statementTimeout: statementTimeout)
    }
}

extension Operator where Self == SQLCheckOperator {
    /// A task that fails unless every value of a query's first row is true; see `SQLCheckOperator`.
    public static func sqlCheck(
        _ text: String, connection: String, parameters: [JSONValue] = [], statementTimeout: Duration? = nil
    ) -> SQLCheckOperator {
        SQLCheckOperator(
            .text(text), connection: connection, parameters: parameters, statementTimeout: statementTimeout)
    }
}
