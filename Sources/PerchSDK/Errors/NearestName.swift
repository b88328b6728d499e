// SPDX-License-Identifier: Apache-2.0

/// What somebody most likely meant who wrote a name that does not exist.
package enum NearestName {
    /// The known name that is at most two letters away; nil where there is none.
    package static func of(_ name: String, among known: [String]) -> String? {
        known.compactMap { other in distance(other, name).map { (other, $0) } }.min { $0.1 < $1.1 }?.0
    }

    /// How many insertions, deletions or replacements make one word of the other; nil where it is more than two.
    private static func distance(_ left: String, _ right: String) -> Int? {
        let (a, b) = (Array(left.utf8), Array(right.utf8.prefix(40)))
        guard abs(a.count - b.count) <= 2, max(a.count, b.count) > 2 else { return nil }
        var row = Array(0...b.count)
        for i in a.indices {
            var diagonal = row[0]
            row[0] = i + 1
            for j in b.indices {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
                diagonal = above
            }
        }
        return row[b.count] <= 2 ? row[b.count] : nil
    }
}
