// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Some of a list, and where the next ones begin.
struct Page<Row: Sendable>: Sendable {
    var rows: [Row]
    /// The place of the last row, where others come after it.
    var next: [JSONValue]?

    /// A page of rows of which one more was asked for than it takes.
    init(_ rows: [Row], limit: Int, place: (Row) -> [JSONValue]) {
        self.rows = Array(rows.prefix(limit))
        next = rows.count > limit ? self.rows.last.map(place) : nil
    }

    /// Long rows make a page short: it ends behind the one with which it has so many bytes.
    static var mostBytes: Int { APISurroundings.LogPage.mostBytes }

    /// A page that was read as one.
    init(_ rows: [Row], hasMore: Bool, place: (Row) -> [JSONValue]) {
        self.rows = rows
        next = hasMore ? rows.last.map(place) : nil
    }

    /// A page of rows that may be long, read some at a time.
    ///
    /// - Parameters:
    ///   - bytes: About how long a row is.
    ///   - read: So many rows after one, or from the beginning of the page on.
    init(
        limit: Int, place: (Row) -> [JSONValue], bytes: (Row) -> Int, read: (_ last: Row?, _ count: Int) throws -> [Row]
    ) rethrows {
        var (found, size): ([Row], Int) = ([], 0)
        while found.count <= limit {
            let count = min(20, limit + 1 - found.count)
            let more = try read(found.last, count)
            for row in more {
                found.append(row)
                size += bytes(row)
                guard size <= Self.mostBytes else {
                    self.init(rows: Array(found.prefix(limit)), next: place(found.prefix(limit).last ?? row))
                    return
                }
            }
            if more.count < count { break }
        }
        self.init(found, limit: limit, place: place)
    }

    private init(rows: [Row], next: [JSONValue]?) {
        self.rows = rows
        self.next = next
    }

    /// The page that a call asks for of a list that is there as a whole, in the order of its keys, byte for byte.
    init(of all: [Row], _ call: RESTCall, key: (Row) -> String) throws {
        func isBefore(_ left: String, _ right: String) -> Bool { left.utf8.lexicographicallyPrecedes(right.utf8) }
        var rest = all.sorted { isBefore(key($0), key($1)) }[...]
        if let place = try call.place {
            guard case .string(let last)? = place.first, place.count == 1 else { throw Cursor.refusal }
            rest = rest.drop { !isBefore(last, key($0)) }
        }
        self.init(Array(rest.prefix(call.limit + 1)), limit: call.limit) { [.string(key($0))] }
    }

    func map<Other: Sendable>(_ make: (Row) throws -> Other) rethrows -> Page<Other> {
        Page<Other>(rows: try rows.map(make), next: next)
    }
}

/// The text that stands for a place in a list. What is in it is nobody's business, and nothing in it is trusted.
enum Cursor {
    static let refusal = Refusal.parameter(
        "cursor", "the cursor is none that this list has given with these parameters; leave it out to begin anew")

    static func text(of place: [JSONValue], _ listing: String) -> String {
        let bytes = Array(JSONValue.array([.string(listing)] + place).text.utf8)
        return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// - Throws: `Refusal` for what no list has given, and for what another one has.
    static func place(in text: String, of listing: String) throws(Refusal) -> [JSONValue] {
        guard text.utf8.count <= 16_384, text.utf8.count.isMultiple(of: 2) else { throw refusal }
        var bytes: [UInt8] = []
        var rest = text[...]
        while let high = rest.popFirst(), let low = rest.popFirst() {
            guard let high = high.hexDigitValue, let low = low.hexDigitValue else { throw refusal }
            bytes.append(UInt8(high << 4 | low))
        }
        let value = try? JSONValue(parsing: bytes)  // because whatever it is, it is no cursor of this list
        guard case .array(let parts)? = value, parts.first == .string(listing) else { throw refusal }
        return Array(parts.dropFirst())
    }
}
