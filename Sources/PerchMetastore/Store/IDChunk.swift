// SPDX-License-Identifier: Apache-2.0

/// Ids as the values of a statement that takes a fixed number of them.
enum IDChunk {
    static let size = 32
    /// What stands for `{ids}`: the first values of the statement.
    static let placeholders = (1...size).map { ":\($0)" }.joined(separator: ", ")

    /// The ids, and what is left of the chunk as NULL, which equals nothing.
    static func values(_ ids: ArraySlice<Int64>) -> [SQLValue] {
        ids.map { SQLValue.integer($0) } + Array(repeating: .null, count: size - ids.count)
    }

    /// The values of as many such statements as the ids take.
    static func lists(_ ids: [Int64]) -> [[SQLValue]] {
        stride(from: 0, to: ids.count, by: size).map { values(ids[$0..<min($0 + size, ids.count)]) }
    }
}
