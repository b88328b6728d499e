// SPDX-License-Identifier: Apache-2.0

import GRDBSQLite
import PerchSDK

/// What SQLite's result codes mean to a person.
enum SQLiteFault {
    static func error(code: Int32, message: String, statement: String) -> PerchError {
        switch code & 0xFF {
        case SQLITE_BUSY, SQLITE_LOCKED:
            PerchError(.unavailable, "the metastore is locked by another process: \(message)")
        case SQLITE_FULL:
            PerchError(.unavailable, "the disk of the metastore is full: \(message)")
        case SQLITE_IOERR:
            PerchError(.unavailable, "the metastore's file cannot be read or written: \(message)")
        case SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_PERM:
            PerchError(.unavailable, "the metastore cannot be opened for writing: \(message)")
        case SQLITE_NOTADB, SQLITE_CORRUPT:
            PerchError(.metastore, "the file is no Perch metastore or is damaged: \(message)")
        case SQLITE_CONSTRAINT:
            PerchError(.conflict, "\(message) (in: \(firstLine(of: statement)))")
        default:
            PerchError(.metastore, "\(message) (code \(code), in: \(firstLine(of: statement)))")
        }
    }

    private static func firstLine(of statement: String) -> String {
        String(statement.split(whereSeparator: \.isNewline).first ?? "")
    }
}
