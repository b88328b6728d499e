// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// What was carried over.
public struct TransferReport: Codable, Hashable, Sendable {
    /// How many rows were read, and as many were written.
    public var rows: Int
    /// How many bytes were written, in the form in which the target takes them.
    public var bytes: Int
}

/// Carries rows from one place to another, in batches: a query, a file or a server's answer into a table, a file or requests.
///
/// No more than a batch is in memory, however many rows there are. The target has all of them or none: a table takes them in one
/// transaction, a file is written beside its place and put there when it is whole. Requests alone go out one by one.
///
/// A retry, or a second run, may do the same again:
/// - a table in the mode `replace` or `upsert`, and a file, are the same afterwards;
/// - a table in the mode `append` has the rows twice only where the process died between COMMIT and its report;
/// - a request has the same `Idempotency-Key` each time, made of the task and the number of the batch.
public struct TransferOperator: Operator {
    /// Rows and bytes.
    public typealias Output = TransferReport

    public var source: TransferSource
    public var target: TransferTarget
    /// The columns to carry, in this order; empty: all of them, under their names.
    public var columns: [TransferColumn]
    /// How many rows are held at once, and sent in one request.
    public var batchSize: Int

    /// The largest batch, in bytes, whatever its rows.
    static let batchBytes = 4 << 20

    /// A transfer with its bounds.
    public init(
        from source: TransferSource, to target: TransferTarget, columns: [TransferColumn] = [], batchSize: Int = 5_000
    ) {
        self.source = source
        self.target = target
        self.columns = columns
        self.batchSize = batchSize
    }

    /// Everything that may hold templates.
    public var templates: [String] { templateFields.map(\.text) }

    /// The same by its names.
    public var templateFields: [TemplateField] {
        source.templateFields.map { TemplateField("from.\($0.name)", $0.text) }
            + target.templateFields.map { TemplateField("to.\($0.name)", $0.text) }
    }

    /// What is wrong with the places, the columns or the bounds.
    public var problems: [String] {
        var found = source.problems + target.problems
        var seen: Set<String> = []
        for column in columns {
            if column.source.isEmpty || column.name.isEmpty { found.append("a column has no name") }
            if !seen.insert(column.name).inserted {
                found.append("the column '\(column.name.shown(60))' is named twice")
            }
        }
        if case .table(_, _, .upsert(let keys)) = target, !columns.isEmpty {
            for key in keys where !seen.contains(key) {
                found.append("the key '\(key.shown(60))' is not among the columns")
            }
        }
        if batchSize < 1 { found.append("batchSize is \(batchSize); it is a number from 1") }
        return found
    }

    /// Carries the rows over.
    public func execute(_ context: TaskContext) async throws -> TransferReport {
        let input = try await source.opened(context, columns)
        let output = try await target.opened(context)
        if let file = input.file, file == output.file {
            throw NonRetryable(
                "\(file.shown(300)) is the source and the target; within one database a statement does it")
        }
        let (columns, batchSize, log) = (columns, batchSize, context.log)
        let report = try await context.step("transfer") {
            try await OperatorThread.run("a transfer") { stop in
                let target = try output.make(stop)
                do {
                    let pipe = TransferPipe(target, columns, batchSize, stop, log)
                    try input.make(stop).read(into: pipe)
                    return try pipe.finish()
                } catch {
                    target.abandon()
                    throw error
                }
            }
        }
        log.info("\(input.name) to \(output.name): \(report.rows) rows, \(report.bytes) bytes")
        return report
    }
}

/// A column that is carried over.
public struct TransferColumn: Hashable, Sendable, ExpressibleByStringLiteral {
    /// What a value has to be; texts are read as it.
    public enum Kind: String, Codable, Hashable, Sendable, CaseIterable {
        case text
        /// A whole number of 64 bits.
        case integer
        case number
        /// `true`, `t`, `yes`, `on`, `1`, or the other way.
        case boolean
        case json
    }

    /// Its name in the source.
    public var source: String
    /// Its name in the target.
    public var name: String
    /// What its values have to be; nil: as they are.
    public var kind: Kind?

    /// A column, under another name or of a kind.
    public init(_ source: String, as name: String? = nil, _ kind: Kind? = nil) {
        self.source = source
        self.name = name ?? source
        self.kind = kind
    }

    /// A column under its own name.
    public init(stringLiteral name: String) { self.init(name) }
}

extension Operator where Self == TransferOperator {
    /// A task that carries rows from one place to another; see `TransferOperator`.
    public static func transfer(
        from source: TransferSource, to target: TransferTarget, columns: [TransferColumn] = [], batchSize: Int = 5_000
    ) -> TransferOperator {
        TransferOperator(from: source, to: target, columns: columns, batchSize: batchSize)
    }
}
