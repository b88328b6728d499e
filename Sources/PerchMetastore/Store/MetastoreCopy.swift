// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// A table that was copied.
public struct CopiedTable: Sendable, Hashable {
    public var name: String
    public var rows: Int
}

extension Metastore {
    /// Takes over everything of the metastore that is a file of its home: runs, waits, journals, all of it in one
    /// transaction. The file stays as it is. Only where nothing was done here yet.
    ///
    /// - Parameter copied: Called after each table.
    /// - Returns: The tables, by name.
    /// - Throws: `notFound` where the home has no such file; `conflict` where another process works on it, or where this
    ///   metastore has DAGs, runs, events, variables or connections; `metastore` where the file contradicts itself.
    package func takeOverFile(copied: (CopiedTable) -> Void = { _ in }) throws -> [CopiedTable] {
        let paths = HomePaths(home)
        guard !(driver is SQLiteDriver) else {
            throw PerchError(.conflict, "\(paths.database) cannot be copied to itself")
        }
        let file = try Self.openExisting(paths, access: .command)
        return try Self.closing(file) {
            let lock = try MemberLock(path: paths.members, isAlone: true, purpose: "copied")
            defer { lock.release() }
            // As a writer: what a command was told is stored would else be missing in the copy.
            let tables = try file.write { source in
                try source.perform(.begin)
                let tables = Result { try copySound(source, copied) }
                try? source.perform(.rollback)  // because what the copy says comes first, and nothing was written
                return try tables.get()
            }
            try file.close()
            return tables
        }
    }

    private func copySound(
        _ source: any SQLConnection, _ copied: (CopiedTable) -> Void
    ) throws -> [CopiedTable] {
        if let fault = try ConsistencyRules.faults(on: source).first {
            throw PerchError(
                .metastore,
                "\(HomePaths(home).database) contradicts itself, so it is not copied: \(fault); see 'db check'")
        }
        return try driver.write { target in
            try target.perform(.begin)
            do {
                let tables = try Self.copy(source, to: target, copied)
                try target.perform(.commit)
                return tables
            } catch {
                try? target.perform(.rollback)  // because the first fault is the one to tell
                throw (error as? LostTransaction)?.cause ?? error
            }
        }
    }

    /// Tables in which something stands once anybody has worked with a metastore.
    private static let used: [StaticString] = [
        "SELECT 1 FROM dag LIMIT 1", "SELECT 1 FROM dag_run LIMIT 1", "SELECT 1 FROM event LIMIT 1",
        "SELECT 1 FROM variable LIMIT 1", "SELECT 1 FROM connection LIMIT 1",
    ]

    private static func copy(
        _ source: any SQLConnection, to target: any SQLConnection, _ copied: (CopiedTable) -> Void
    ) throws -> [CopiedTable] {
        for query in used {
            var isUsed = false
            try target.query(query, []) { _ in isUsed = true }
            if isUsed {
                throw PerchError(
                    .conflict, "the other metastore is in use: copy to one that is new, after 'db migrate'")
            }
        }
        return try names(of: source).map { name in
            let columns = try columns(of: name, source)
            guard try Set(columns) == Set(self.columns(of: name, target)) else {
                throw PerchError(.metastore, "the table '\(name)' has other columns there: run 'db migrate' there")
            }
            // What a migration has put there stands in the file, too.
            try target.query(text: "DELETE FROM \(name)", []) { _ in }
            let rows = try copy(table: name, columns, from: source, to: target)
            var stored: Int64 = 0
            try target.query(text: "SELECT COUNT(*) FROM \(name)", []) { stored = $0.int64(0) }
            guard stored == rows else {
                throw PerchError(.metastore, "of \(rows) rows of '\(name)', \(stored) were stored")
            }
            let table = CopiedTable(name: name, rows: rows)
            copied(table)
            return table
        }
    }

    private struct Column: Hashable {
        var name: String
        var isNumber: Bool
    }

    /// Every table but the one that says which schema this is.
    private static func names(of connection: any SQLConnection) throws -> [String] {
        var names: [String] = []
        try connection.query("{tables}", []) { names.append($0.text(0)) }
        return names.filter { $0 != "meta" && !$0.hasPrefix("sqlite_") }.sorted()
    }

    private static func columns(of table: String, _ connection: any SQLConnection) throws -> [Column] {
        var columns: [Column] = []
        try connection.query("{columns}", [.text(table)]) { row in
            columns.append(Column(name: row.text(0), isNumber: row.text(1).lowercased().contains("int")))
        }
        return columns
    }

    /// So many values go by one statement at most, and about so many bytes.
    private static let mostValues = 2_000
    private static let mostBytes = 1_000_000

    private static func copy(
        table: String, _ columns: [Column], from source: any SQLConnection, to target: any SQLConnection
    ) throws -> Int {
        let names = columns.map(\.name).joined(separator: ", ")
        let mostRows = max(1, mostValues / columns.count)
        var values: [SQLValue] = []
        var bytes = 0
        var rows = 0
        func store() throws {
            guard !values.isEmpty else { return }
            let places = stride(from: 0, to: values.count, by: columns.count).map { first in
                "(" + (1...columns.count).map { ":\(first + $0)" }.joined(separator: ", ") + ")"
            }
            try target.query(
                text: "INSERT INTO \(table) (\(names)) VALUES \(places.joined(separator: ", "))", values
            ) { _ in }
            rows += places.count
            values = []
            bytes = 0
        }
        try source.query(text: "SELECT \(names) FROM \(table)", []) { row in
            for (place, column) in columns.enumerated() {
                let place = Int32(place)
                if row.isNull(place) {
                    values.append(.null)
                } else if column.isNumber {
                    values.append(.integer(row.int64(place)))
                } else {
                    let text = row.text(place)
                    bytes += text.utf8.count
                    values.append(.text(text))
                }
            }
            if values.count >= mostRows * columns.count || bytes >= mostBytes { try store() }
        }
        try store()
        return rows
    }
}
