// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// A value as a database takes it.
package enum SQLValue: Sendable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
}

/// A type that goes into a statement as it is.
package protocol SQLConvertible {
    var sqlValue: SQLValue { get }
}

extension Int64: SQLConvertible {
    package var sqlValue: SQLValue { .integer(self) }
}

extension Int: SQLConvertible {
    package var sqlValue: SQLValue { .integer(Int64(self)) }
}

extension Int32: SQLConvertible {
    package var sqlValue: SQLValue { .integer(Int64(self)) }
}

extension Bool: SQLConvertible {
    package var sqlValue: SQLValue { .integer(self ? 1 : 0) }
}

extension String: SQLConvertible {
    package var sqlValue: SQLValue { .text(self) }
}

extension Timestamp: SQLConvertible {
    package var sqlValue: SQLValue { .integer(microseconds) }
}

extension TimeSpan: SQLConvertible {
    package var sqlValue: SQLValue { .integer(microseconds) }
}

extension TaskState: SQLConvertible {
    package var sqlValue: SQLValue { .text(rawValue) }
}

extension RunState: SQLConvertible {
    package var sqlValue: SQLValue { .text(rawValue) }
}

extension RunType: SQLConvertible {
    package var sqlValue: SQLValue { .text(rawValue) }
}

extension Optional: SQLConvertible where Wrapped: SQLConvertible {
    package var sqlValue: SQLValue { self?.sqlValue ?? .null }
}

extension SQLValue: SQLConvertible {
    package var sqlValue: SQLValue { self }
}
