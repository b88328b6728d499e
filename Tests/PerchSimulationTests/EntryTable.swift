// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchReactor
import PerchSDK
import PerchSimulation

/// A table of entries that come in groups of three: whoever sees one or two of a group sees half a transaction.
struct EntryTable {
    /// A disk's image with the empty table.
    static let template: DiskImage = {
        do {
            let disk = SimulatedDisk(seed: 1)
            let driver = try SimulatedDriver(disk: disk)
            try driver.write { connection in
                try connection.execute(
                    script: "CREATE TABLE entry (key INTEGER PRIMARY KEY, grp INTEGER NOT NULL, body TEXT NOT NULL)")
            }
            try driver.close()
            disk.settle()
            return disk.image()
        } catch {
            preconditionFailure("a sound disk refused: \(error)")
        }
    }()

    let driver: SimulatedDriver

    init(_ driver: SimulatedDriver) { self.driver = driver }

    init(_ disk: SimulatedDisk) throws {
        try self.init(SimulatedDriver(disk: disk))
    }

    /// Copies the log into the file after each commit that leaves so many pages in it.
    func checkpoint(everyPages pages: Int) throws {
        try driver.write { try $0.execute(script: "PRAGMA wal_autocheckpoint = \(pages)") }
    }

    /// One transaction: it is there as a whole once this has returned.
    func add(_ group: Int, bodyLength: Int = 10) throws {
        try driver.write { connection in
            try connection.perform(.begin)
            do {
                try Self.insert(group, bodyLength: bodyLength, connection)
                try connection.perform(.commit)
            } catch {
                try? connection.perform(.rollback)  // because it may have been rolled back already
                throw error
            }
        }
    }

    static func insert(_ group: Int, bodyLength: Int, _ connection: any SQLConnection) throws {
        for part in 0..<3 {
            _ = try connection.run(
                "INSERT INTO entry (key, grp, body) VALUES (:1, :2, :3)",
                [
                    .integer(Int64(part * 1_000_000 + group)), .integer(Int64(group)),
                    .text(String(repeating: "\(group % 10)", count: bodyLength)),
                ])
        }
    }

    /// The groups that are there, in order; those of which a part is missing are given as negative numbers.
    func groups() throws -> [Int] {
        try driver.read { connection in
            var found: [Int] = []
            try connection.query("SELECT grp, COUNT(*) FROM entry GROUP BY grp ORDER BY grp", []) { row in
                found.append(row.int64(1) == 3 ? Int(row.int64(0)) : -Int(row.int64(0)))
            }
            return found
        }
    }

    /// What SQLite finds wrong with the file.
    func damage() throws -> [String] {
        try driver.read { connection in
            var lines: [String] = []
            try connection.query(text: "PRAGMA integrity_check", []) { row in
                if row.text(0) != "ok" { lines.append(row.text(0)) }
            }
            return lines
        }
    }
}

extension LoopGenerator {
    mutating func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
}
