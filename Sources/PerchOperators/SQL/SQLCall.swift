// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// Statements that are ready to be run: everything rendered, and the connection looked up.
struct SQLCall: Sendable {
    let server: SQLServer
    let text: String
    let parameters: [JSONValue]
    private let together: Bool
    private let maximumRows: Int
    private let maximumSize: Int
    private let statementTimeout: Duration?
    private let log: TaskLog

    init(
        _ sql: SQLText, _ connection: String, _ parameters: [JSONValue], _ context: TaskContext, together: Bool,
        maximumRows: Int, maximumSize: Int, statementTimeout: Duration?
    ) async throws {
        let connectionID = try await context.render(connection)
        server = try SQLServer(try await context.connection(connectionID), id: connectionID)
        switch sql {
        case .text(let text): self.text = try await context.render(text)
        case .file(let path):
            let path = try await context.render(path)
            let text = try WholeText.read(path, atMost: 16 << 20)
            do {
                self.text = try await context.render(text)
            } catch let error as PerchError {
                throw NonRetryable("\(path.shown(300)): \(error.message)")
            }
        }
        self.parameters = try await TemplatedValues.rendered(parameters, context)
        self.together = together
        self.maximumRows = maximumRows
        self.maximumSize = maximumSize
        self.statementTimeout = statementTimeout
        log = context.log
    }

    /// The rows of the last statement that gives some.
    func run() async throws -> SQLRowCollection {
        try await OperatorThread.run("statements of SQL") { stop in
            let session = try server.open(stop, statementTimeout: statementTimeout)
            defer { session.close() }
            let rows = SQLRowCollector(maximumRows, maximumSize)
            let taker = SQLTaker(columns: rows.begin, row: rows.take) { line, count, changed in
                if let changed, count == 0 || changed > 0 {
                    log.info("line \(line): \(changed) rows changed" + (count > 0 ? ", \(count) given" : ""))
                } else {
                    log.info("line \(line): \(count) rows")
                }
            }
            try session.run(text, parameters, together: together, taker)
            return rows.rows
        }
    }
}

/// Rows as JSON.
struct SQLRowCollection: Sendable {
    var objects: [JSONValue] = []
    /// The first value of the first row.
    var first: JSONValue?
}

/// Keeps the rows of one statement after another, the last ones.
final class SQLRowCollector {
    private(set) var rows = SQLRowCollection()
    private let maximumRows: Int
    private let maximumSize: Int
    private var columns: [String] = []
    private var size = 0

    init(_ maximumRows: Int, _ maximumSize: Int) {
        self.maximumRows = maximumRows
        self.maximumSize = maximumSize
    }

    func begin(_ columns: [String]) {
        self.columns = columns
        rows = SQLRowCollection()
        size = 0
    }

    func take(_ row: [SQLCell]) throws {
        size += row.reduce(0) { $0 + $1.size }
        guard rows.objects.count < maximumRows else {
            throw NonRetryable(
                "a statement gives more than \(maximumRows) rows; select less, transfer them, or raise maximumRows")
        }
        guard size <= maximumSize else {
            throw NonRetryable(
                "the rows of a statement are more than \(maximumSize) bytes; select less, transfer them, or raise "
                    + "maximumOutputSize")
        }
        let values = row.map(\.json)
        if rows.objects.isEmpty { rows.first = values.first }
        rows.objects.append(.object(Dictionary(uniqueKeysWithValues: zip(columns, values))))
    }
}

/// A text that is a whole file.
enum WholeText {
    /// - Throws: `NonRetryable` that says why the file cannot be read.
    static func read(_ path: String, atMost limit: Int) throws(NonRetryable) -> String {
        guard !path.utf8.contains(0) else { throw NonRetryable("a path holds a zero byte") }
        var status = stat()
        guard stat(path, &status) == 0, let file = fopen(path, "re") else {
            throw NonRetryable("\(path.shown(300)) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw NonRetryable("\(path.shown(300)) is no file") }
        guard status.st_size <= limit else {
            throw NonRetryable("\(path.shown(300)) is \(status.st_size) bytes long; it may have \(limit)")
        }
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(status.st_size)) { buffer, count in
            count = fread(buffer.baseAddress, 1, buffer.count, file)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw NonRetryable("\(path.shown(300)) is not UTF-8")
        }
        return text
    }
}
