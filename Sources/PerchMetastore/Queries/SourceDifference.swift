// SPDX-License-Identifier: Apache-2.0

/// What differs between two texts, line by line, with some lines around it that do not.
package struct SourceDifference: Sendable, Hashable {
    /// A line of either text, or of both.
    package struct Line: Sendable, Hashable {
        package enum Kind: String, Sendable, Hashable {
            case same = " "
            case removed = "-"
            case added = "+"
        }

        package var kind: Kind
        /// Its number in the older text, from 1; nil where it is not in that.
        package var old: Int?
        /// Its number in the newer text.
        package var new: Int?
        package var text: String
    }

    /// The files, where they stand elsewhere now.
    package var oldPath: String
    package var newPath: String
    /// Changes that lie near each other stand in one part, with the lines between.
    package var parts: [[Line]]

    /// So many lines that do not differ stand around those that do.
    private static let around = 3

    /// What leads from one text to the other.
    package init(from old: VersionSource, to new: VersionSource) {
        (oldPath, newPath) = (old.path, new.path)
        parts = old.text == new.text ? [] : Self.parts(of: Self.lines(old.lines, new.lines))
    }

    /// Every line of both texts.
    private static func lines(_ old: [String], _ new: [String]) -> [Line] {
        var comparison = LineComparison(old, new)
        comparison.compare(old.indices, new.indices)
        var lines: [Line] = []
        var (oldPlace, newPlace) = (0, 0)
        while oldPlace < old.count || newPlace < new.count {
            if comparison.removed.contains(oldPlace) {
                lines.append(Line(kind: .removed, old: oldPlace + 1, new: nil, text: old[oldPlace]))
                oldPlace += 1
            } else if comparison.added.contains(newPlace) {
                lines.append(Line(kind: .added, old: nil, new: newPlace + 1, text: new[newPlace]))
                newPlace += 1
            } else {
                lines.append(Line(kind: .same, old: oldPlace + 1, new: newPlace + 1, text: old[oldPlace]))
                oldPlace += 1
                newPlace += 1
            }
        }
        return lines
    }

    private static func parts(of lines: [Line]) -> [[Line]] {
        var parts: [[Line]] = []
        var shownTo = 0
        for (place, line) in lines.enumerated() where line.kind != .same {
            let end = min(lines.count, place + 1 + around)
            let start = max(0, place - around)
            if !parts.isEmpty, start <= shownTo {
                parts[parts.count - 1] += lines[min(shownTo, end)..<end]
            } else {
                parts.append(Array(lines[start..<end]))
            }
            shownTo = end
        }
        return parts
    }
}

/// Which lines of two texts differ. Lines that stand once in each are matched first, and what lies between them is compared by
/// itself: so it takes neither much time nor much memory, however long the texts are.
private struct LineComparison {
    let old: [String]
    let new: [String]
    var removed: Set<Int> = []
    var added: Set<Int> = []

    /// Where more lines than this have nothing that stands once in each, all of them differ.
    private static let mostCompared = 1_000

    init(_ old: [String], _ new: [String]) { (self.old, self.new) = (old, new) }

    mutating func compare(_ oldLines: Range<Int>, _ newLines: Range<Int>) {
        var (left, right) = (oldLines, newLines)
        while !left.isEmpty, !right.isEmpty, old[left.lowerBound] == new[right.lowerBound] {
            (left, right) = (left.dropFirst(), right.dropFirst())
        }
        while !left.isEmpty, !right.isEmpty, old[left.upperBound - 1] == new[right.upperBound - 1] {
            (left, right) = (left.dropLast(), right.dropLast())
        }
        guard !left.isEmpty, !right.isEmpty else {
            removed.formUnion(left)
            added.formUnion(right)
            return
        }
        let anchors = anchors(left, right)
        guard !anchors.isEmpty else { return compareAll(left, right) }
        var (oldStart, newStart) = (left.lowerBound, right.lowerBound)
        for anchor in anchors {
            compare(oldStart..<anchor.old, newStart..<anchor.new)
            (oldStart, newStart) = (anchor.old + 1, anchor.new + 1)
        }
        compare(oldStart..<left.upperBound, newStart..<right.upperBound)
    }

    private mutating func compareAll(_ left: Range<Int>, _ right: Range<Int>) {
        guard max(left.count, right.count) <= Self.mostCompared else {
            removed.formUnion(left)
            added.formUnion(right)
            return
        }
        for change in Array(new[right]).difference(from: Array(old[left])) {
            switch change {
            case .remove(let offset, _, _): removed.insert(left.lowerBound + offset)
            case .insert(let offset, _, _): added.insert(right.lowerBound + offset)
            }
        }
    }

    /// The lines that stand once in each, as many of them as are in the same order in both.
    private func anchors(_ left: Range<Int>, _ right: Range<Int>) -> [(old: Int, new: Int)] {
        var places: [String: (count: Int, new: Int)] = [:]
        for place in right { places[new[place]] = ((places[new[place]]?.count ?? 0) + 1, place) }
        var counts: [String: Int] = [:]
        for place in left { counts[old[place], default: 0] += 1 }
        let pairs = left.compactMap { place -> (old: Int, new: Int)? in
            guard counts[old[place]] == 1, let other = places[old[place]], other.count == 1 else { return nil }
            return (place, other.new)
        }
        // The longest ascending part: for each length the pair with the earliest end, and what came before each.
        var ends: [Int] = []
        var before = [Int?](repeating: nil, count: pairs.count)
        for (index, pair) in pairs.enumerated() {
            var (low, high) = (0, ends.count)
            while low < high {
                let middle = (low + high) / 2
                if pairs[ends[middle]].new < pair.new { low = middle + 1 } else { high = middle }
            }
            before[index] = low > 0 ? ends[low - 1] : nil
            if low == ends.count { ends.append(index) } else { ends[low] = index }
        }
        var chain: [(old: Int, new: Int)] = []
        var next = ends.last
        while let index = next {
            chain.append(pairs[index])
            next = before[index]
        }
        return chain.reversed()
    }
}
