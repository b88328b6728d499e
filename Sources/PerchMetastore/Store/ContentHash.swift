// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Hashes that are stored, and compared later by another version of this program.
enum ContentHash {
    /// Tells the contents of two DAG versions apart.
    static func text(of content: String) -> String {
        var hash = StableHash128()
        hash.combine(content)
        return hash.text
    }

    /// The number by which waits for the same target, and their probe, are found.
    static func targetKey(kind: String, target: String) -> Int64 {
        var hash = StableHash()
        hash.combine(kind)
        hash.combine(target)
        return Int64(bitPattern: hash.value)
    }
}
