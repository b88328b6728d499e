// SPDX-License-Identifier: Apache-2.0

/// Makes a list smaller while it still fails: first by halves, then by ever smaller pieces, at last one by one.
///
/// - Parameters:
///   - most: How many tries are made at most.
///   - fails: Whether a shorter list still fails.
package func shrink<Element>(_ elements: [Element], most: Int, fails: ([Element]) -> Bool) -> [Element] {
    var kept = elements
    var size = max(1, kept.count / 2)
    var tries = 0
    while !kept.isEmpty {
        var start = 0
        var hasShrunk = false
        while start < kept.count, tries < most {
            var shorter = kept
            shorter.removeSubrange(start..<min(start + size, kept.count))
            tries += 1
            if fails(shorter) {
                kept = shorter
                hasShrunk = true
            } else {
                start += size
            }
        }
        if tries >= most { break }
        if size == 1 {
            if !hasShrunk { break }
        } else {
            size = max(1, size / 2)
        }
    }
    return kept
}
