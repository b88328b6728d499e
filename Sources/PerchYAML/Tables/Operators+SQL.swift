// SPDX-License-Identifier: Apache-2.0

internal import PerchOperators
internal import PerchSDK

extension Operators {
    /// What statements have, whatever becomes of their rows.
    private static let statements: [Field] = [
        Field("text", .template, "statements, with semicolons between", others: ["sql", "query", "statement"]),
        Field("file", .template, "a file of statements"),
        Field(
            "connection", .template, "the id of a connection: postgres, redshift or sqlite", required: true,
            others: ["conn_id", "postgres_conn_id", "sqlite_conn_id"]),
        Field("parameters", .list(.any), "the values of $1, $2, …, bound by the database", others: ["params"]),
    ]
    private static let timeout = Field(
        "statement_timeout", .span(.positive), "how long one statement may take; as long as the task may")

    static let query = ObjectShape(
        name: "a query", fields: statements, rules: [.exactlyOne(["text", "file"])])

    static let sql = OperatorEntry(
        name: "sql", summary: "runs statements of SQL; the rows of the last one are the output",
        others: ["sql_execute", "postgres", "sqlite"],
        shape: ObjectShape(
            name: "SQL",
            fields: statements + [
                Field(
                    "result", .choice(SQLResult.allCases.map(\.rawValue)),
                    "what the output is: all rows, the first row, or its first value; rows"),
                Field("autocommit", .flag, "whether each statement is a transaction of its own; false"),
                Field("maximum_rows", .integer(0...1_000_000_000), "the most rows that a statement may give; 10000"),
                Field("maximum_output_size", .integer(1...Int64(1 << 40)), "how large they may be, in bytes"), timeout,
            ],
            rules: [.exactlyOne(["text", "file"])])
    ) { value in
        var code = SQLOperator<JSONValue>(
            text(of: value), connection: value["connection"]?.text ?? "", parameters: parameters(of: value),
            result: value["result"]?.text.flatMap { SQLResult(rawValue: $0) } ?? .rows,
            autocommit: value["autocommit"]?.isTrue ?? false, statementTimeout: value["statement_timeout"]?.duration)
        if let rows = value["maximum_rows"]?.integer { code.maximumRows = rows }
        if let size = value["maximum_output_size"]?.integer { code.maximumOutputSize = size }
        return code
    }

    static let sqlCheck = OperatorEntry(
        name: "sql_check", summary: "fails unless every value of a query's first row is true", others: ["check_sql"],
        shape: ObjectShape(
            name: "a check", fields: statements + [timeout], rules: [.exactlyOne(["text", "file"])])
    ) { value in
        SQLCheckOperator(
            text(of: value), connection: value["connection"]?.text ?? "", parameters: parameters(of: value),
            statementTimeout: value["statement_timeout"]?.duration)
    }

    static func text(of value: YAMLValue) -> SQLText {
        value["file"]?.text.map { .file($0) } ?? .text(value["text"]?.text ?? "")
    }

    static func parameters(of value: YAMLValue) -> [JSONValue] { (value["parameters"]?.elements ?? []).map(\.json) }
}
