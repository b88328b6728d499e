// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Where rows come from. Texts may hold templates.
public enum TransferSource: Hashable, Sendable {
    /// A query on the database of a connection.
    case query(SQLText, connection: String, parameters: [JSONValue])
    /// A file, by its path.
    case file(String, DataFormat)
    /// The answer to a request.
    case answer(TransferRequest)

    /// A query; see `SQLOperator` for connections and parameters.
    public static func sql(_ text: String, connection: String, parameters: [JSONValue] = []) -> TransferSource {
        .query(.text(text), connection: connection, parameters: parameters)
    }

    /// A file of comma-separated values.
    public static func csv(_ path: String, _ format: CSVFormat = CSVFormat()) -> TransferSource {
        .file(path, .csv(format))
    }

    /// A file with one JSON object a line.
    public static func jsonLines(_ path: String) -> TransferSource { .file(path, .jsonLines) }

    /// A file with one JSON array of objects.
    public static func json(_ path: String) -> TransferSource { .file(path, .json) }

    /// The answer to a GET request; see `TransferRequest`.
    public static func http(
        _ url: String, as format: DataFormat = .json, connection: String? = nil, headers: [String: String] = [:],
        rows: String? = nil, next: TransferRequest.Next = .none
    ) -> TransferSource {
        .answer(
            TransferRequest(url, as: format, connection: connection, headers: headers, rows: rows, next: next))
    }

    var templateFields: [TemplateField] {
        switch self {
        case .query(let sql, let connection, let parameters):
            SQLOperator<JSONValue>(sql, connection: connection, parameters: parameters).templateFields
        case .file(let path, _): [TemplateField("file", path)]
        case .answer(let request): request.templateFields
        }
    }

    var problems: [String] {
        switch self {
        case .query(let sql, let connection, let parameters):
            SQLOperator<JSONValue>(sql, connection: connection, parameters: parameters).problems
        case .file(let path, let format): (path.isEmpty ? ["the path of a file is empty"] : []) + format.problems
        case .answer(let request): request.problems
        }
    }

    /// The source with everything filled in.
    func opened(_ context: TaskContext, _ columns: [TransferColumn]) async throws -> RenderedSource {
        switch self {
        case .query(let sql, let connection, let parameters):
            let call = try await SQLCall(
                sql, connection, parameters, context, together: false, maximumRows: 0, maximumSize: 0,
                statementTimeout: nil)
            return RenderedSource(name: "the query", file: call.server.file) { QuerySource(call, $0) }
        case .file(let path, let format):
            let path = try await context.render(path)
            guard !path.utf8.contains(0) else { throw NonRetryable("a path holds a zero byte") }
            return RenderedSource(name: path.shown(300), file: path) { FileSource(path, format, columns, $0) }
        case .answer(let request):
            let request = try await request.rendered(context)
            return RenderedSource(name: request.name, file: nil) { HTTPSource(request, columns, $0) }
        }
    }
}

/// A source that is ready to be read.
struct RenderedSource: Sendable {
    var name: String
    /// The file that it is.
    var file: String?
    var make: @Sendable (StopSignal) throws -> any RowSource
}

/// Gives rows on the thread that it blocks.
protocol RowSource {
    func read(into pipe: TransferPipe) throws
}

extension SQLServer {
    /// The file that the database is.
    var file: String? { if case .sqlite(let file) = self { file.path } else { nil } }
}
