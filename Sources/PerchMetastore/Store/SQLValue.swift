// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// A value as a database takes it.
enum SQLValue: Sendable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
}

/// A type that goes into a statement as it is.
protocol SQLConvertible {
    var sqlValue: SQLValue { get }
}

extension Int64: SQLConvertible {
    var sqlValue: SQLValue { .integer(self) }
}

extension Int: SQLConvertible {
    var sqlValue: SQLValue { .integer(Int64(self)) }
}

extension Int32: SQLConvertible {
    var sqlValue: SQLValue { .integer(Int64(self)) }
}

extension Bool: SQLConvertible {
    var sqlValue: SQLValue { .integer(self ? 1 : 0) }
}

extension String: SQLConvertible {
    var sqlValue: SQLValue { .text(self) }
}

extension Timestamp: SQLConvertible {
    var sqlValue: SQLValue { .integer(microseconds) }
}

extension TimeSpan: SQLConvertible {
    var sqlValue: SQLValue { .integer(microseconds) }
}

extension TaskState: SQLConvertible {
    var sqlValue: SQLValue { .text(rawValue) }
}

extension RunState: SQLConvertible {
    var sqlValue: SQLValue { .text(rawValue) }
}

extension RunType: SQLConvertible {
    var sqlValue: SQLValue { .text(rawValue) }
}

extension Optional: SQLConvertible where Wrapped: SQLConvertible {
    var sqlValue: SQLValue { self?.sqlValue ?? .null }
}

extension SQLValue: SQLConvertible {
    var sqlValue: SQLValue { self }
}
