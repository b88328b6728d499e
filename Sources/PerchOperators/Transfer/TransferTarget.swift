// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// What becomes of the rows that a table has.
public enum TableMode: Hashable, Sendable {
    /// They stay, and the new ones are added.
    case append
    /// They go, and the new ones come, in one transaction.
    case replace
    /// Those with the same keys are overwritten. The table has a unique index on the keys; of several rows with the same keys
    /// the last one counts.
    case upsert(keys: [String])
}

/// Where rows go. Texts may hold templates.
public enum TransferTarget: Hashable, Sendable {
    /// A table that is there, `orders` or `sales.orders`, in the database of a connection.
    case table(String, connection: String, TableMode)
    /// A file, by its path: written beside it, and put in its place when it is whole and on disk.
    case file(String, DataFormat)
    /// Requests, one for each batch.
    case requests(TransferRequest)

    /// A table that is there; see `SQLOperator` for connections.
    public static func table(_ name: String, connection: String, mode: TableMode = .append) -> TransferTarget {
        .table(name, connection: connection, mode)
    }

    /// A file of comma-separated values.
    public static func csv(_ path: String, _ format: CSVFormat = CSVFormat()) -> TransferTarget {
        .file(path, .csv(format))
    }

    /// A file with one JSON object a line.
    public static func jsonLines(_ path: String) -> TransferTarget { .file(path, .jsonLines) }

    /// A file with one JSON array of objects.
    public static func json(_ path: String) -> TransferTarget { .file(path, .json) }

    /// A POST request for each batch; see `TransferRequest`.
    public static func http(
        _ url: String, as format: DataFormat = .json, connection: String? = nil, headers: [String: String] = [:],
        method: String = "POST"
    ) -> TransferTarget {
        .requests(TransferRequest(url, as: format, connection: connection, headers: headers, method: method))
    }

    var templateFields: [TemplateField] {
        switch self {
        case .table(let name, let connection, _):
            [TemplateField("table", name), TemplateField("connection", connection)]
        case .file(let path, _): [TemplateField("file", path)]
        case .requests(let request): request.templateFields
        }
    }

    var problems: [String] {
        switch self {
        case .table(let name, let connection, let mode):
            var found: [String] = []
            if name.isEmpty || name.split(separator: ".", omittingEmptySubsequences: false).contains("") {
                found.append("'\(name.shown(80))' is no table's name: orders, or sales.orders")
            }
            if connection.isEmpty { found.append("the connection's id is empty") }
            if case .upsert(let keys) = mode, keys.isEmpty || keys.contains("") {
                found.append("an upsert has the keys by which rows are the same")
            }
            return found
        case .file(let path, let format):
            return (path.isEmpty ? ["the path of a file is empty"] : []) + format.problems(ofTarget: true)
        case .requests(let request): return request.problems
        }
    }

    /// The target with everything filled in.
    func opened(_ context: TaskContext) async throws -> RenderedTarget {
        switch self {
        case .table(let table, let connection, let mode):
            let name = try await context.render(table)
            let connectionID = try await context.render(connection)
            let server = try SQLServer(try await context.connection(connectionID), id: connectionID)
            return RenderedTarget(name: "the table \(name.shown(120))", file: server.file) { stop in
                switch server {
                case .sqlite(let file): try SQLiteTable(name, mode, file, stop)
                case .postgres(let settings): try PostgresTable(name, mode, settings, stop)
                }
            }
        case .file(let path, let format):
            let path = try await context.render(path)
            guard !path.utf8.contains(0), !path.hasSuffix("/") else {
                throw NonRetryable("'\(path.shown(300))' is no path of a file")
            }
            // The same for each try, so that what a crash left behind is written over.
            var hash = StableHash128()
            for part in [context.dagID, context.runID, context.taskID, "\(context.mapIndex)"] { hash.combine(part) }
            let mark = String(hash.text.prefix(16))
            return RenderedTarget(name: path.shown(300), file: path) { _ in try FileTarget(path, format, mark: mark) }
        case .requests(let request):
            var request = try await request.rendered(context)
            request.key = try await context.step("idempotency-key", keep: .acrossRetries) { context.idempotencyKey }
            let ready = request
            return RenderedTarget(name: ready.name, file: nil) { HTTPTarget(ready, $0) }
        }
    }
}

/// A target that is ready to be written.
struct RenderedTarget: Sendable {
    var name: String
    /// The file that it is.
    var file: String?
    var make: @Sendable (StopSignal) throws -> any RowTarget
}

/// Takes rows on the thread that it blocks.
protocol RowTarget: AnyObject {
    /// Takes the names of the columns; empty: there is no row, and nobody knows them.
    func begin(_ columns: [String]) throws
    /// Takes rows.
    ///
    /// - Parameter first: Which of all rows the first one is, from 1.
    func write(_ rows: [[SQLCell]], first: Int) throws
    /// Makes it last; gives how many rows and bytes it has taken.
    func finish() throws -> (rows: Int, bytes: Int)
    /// Leaves everything as it was before.
    func abandon()
}
