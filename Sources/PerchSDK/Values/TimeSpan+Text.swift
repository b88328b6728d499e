// SPDX-License-Identifier: Apache-2.0

extension TimeSpan: CustomStringConvertible {
    private static let units: [(name: String, microseconds: Int64)] = [
        ("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1),
    ]

    /// The length as `init(parsing:)` reads it: `1h30m`, `90s` as `1m30s`, `250ms`, `0s`.
    public var description: String {
        guard microseconds != 0 else { return "0s" }
        var rest = microseconds.magnitude
        var text = microseconds < 0 ? "-" : ""
        for unit in Self.units {
            let (count, remainder) = rest.quotientAndRemainder(dividingBy: UInt64(unit.microseconds))
            if count > 0 { text += "\(count)\(unit.name)" }
            rest = remainder
        }
        return text
    }

    /// Reads a length such as `90s`, `5m`, `1h30m`, `2d`, `250ms`: whole numbers with the units d, h, m, s, ms, us, from
    /// the largest to the smallest.
    /// - Throws: `PerchError` (`invalid`) that says what is wrong with the text.
    public init(parsing text: String) throws(PerchError) {
        func fault(_ reason: String) -> PerchError {
            PerchError(.invalid, "'\(text.shown(60))' is no duration: \(reason); write 90s, 5m, 1h30m, 2d or 250ms")
        }
        var rest = text.utf8[...]
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative { rest = rest.dropFirst() }
        guard !rest.isEmpty else { throw fault("it is empty") }
        // Counted downwards for the past: the longest span there is by one longer than the longest into the future.
        var total: Int64 = 0
        var smallest = Int64.max
        while !rest.isEmpty {
            let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            rest = rest[digits.endIndex...]
            guard !digits.isEmpty else { throw fault("a number is missing before '\((String(rest) ?? "").shown(40))'") }
            guard let count = Int64(String(decoding: digits, as: UTF8.self)) else {
                throw fault("a number is too large")
            }
            let letters = rest.prefix { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            rest = rest[letters.endIndex...]
            let name = String(decoding: letters, as: UTF8.self)
            guard !name.isEmpty else { throw fault("the number \(count) has no unit") }
            guard let unit = Self.units.first(where: { $0.name == name }) else {
                throw fault("there is no unit '\(name.shown(40))'")
            }
            guard unit.microseconds < smallest else {
                throw fault("units go from the largest to the smallest, each once")
            }
            smallest = unit.microseconds
            let (product, overflow) = (isNegative ? -count : count).multipliedReportingOverflow(by: unit.microseconds)
            let (sum, overflowToo) = total.addingReportingOverflow(product)
            guard !overflow, !overflowToo else { throw fault("it is too long") }
            total = sum
        }
        self.init(microseconds: total)
    }
}
