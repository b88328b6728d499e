// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Something wrong in a file of a bundle, whose DAGs were left out or stay as they were.
public struct ImportErrorRow: Sendable, Hashable {
    public var bundle: String
    public var problem: DeclarationProblem
    /// When it was seen first.
    public var since: Timestamp
}

extension Transaction {
    /// Sets what is wrong in the files of a bundle; what was so before keeps its instant.
    func storeImportErrors(_ problems: [DeclarationProblem], bundle: String) throws {
        let before = try rows(
            "SELECT file, line, column_number, message, since FROM import_error WHERE bundle = :1 ORDER BY position",
            bundle
        ) { ImportErrorRow($0, bundle: bundle) }
        guard before.map(\.problem) != problems else { return }
        let since = Dictionary(before.map { ($0.problem, $0.since) }) { first, _ in first }
        try run("DELETE FROM import_error WHERE bundle = :1", bundle)
        for (position, problem) in problems.enumerated() {
            try run(
                """
                INSERT INTO import_error (bundle, position, file, line, column_number, message, since)
                VALUES (:1, :2, :3, :4, :5, :6, :7)
                """, bundle, position, problem.file, problem.line, problem.column.map { Int64($0) }, problem.message,
                since[problem] ?? now)
        }
    }
}

extension Snapshot {
    /// What is wrong in the files of bundles, file by file.
    public func importErrors() throws -> [ImportErrorRow] {
        try rows(
            """
            SELECT file, line, column_number, message, since, bundle FROM import_error ORDER BY bundle, position
            """
        ) { ImportErrorRow($0, bundle: $0.text(5)) }
    }
}

extension ImportErrorRow {
    fileprivate init(_ row: borrowing SQLRow, bundle: String) {
        self.init(
            bundle: bundle,
            problem: DeclarationProblem(
                file: row.text(0), line: row.int(1), column: row.optionalInt64(2).map { Int($0) }, message: row.text(3)),
            since: row.time(4))
    }
}
