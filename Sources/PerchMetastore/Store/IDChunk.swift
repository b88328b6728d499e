// SPDX-License-Identifier: Apache-2.0

/// Ids as the values of a statement that takes a fixed number of them.
enum IDChunk {
    static let size = 32

    /// The ids, and what is left of the chunk as NULL, which equals nothing.
    static func values(_ ids: ArraySlice<Int64>) -> [SQLValue] {
        ids.map { SQLValue.integer($0) } + Array(repeating: .null, count: size - ids.count)
    }
}
