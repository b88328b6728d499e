// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchSDK

/// A request's path and query, taken apart.
struct RequestTarget {
    /// The parts of the path, decoded.
    var path: [String]
    /// In the order of the query.
    var parameters: [(name: String, value: String)]

    /// Reads `/events/orders.paid?key=4711`. In the query `+` is a space, as in forms.
    /// - Throws: `Refusal` with status 400 for what is no UTF-8 or wrongly encoded.
    init(_ target: String) throws(Refusal) {
        let halves = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard target.hasPrefix("/") else {
            throw Refusal(.badRequest, "invalid_request", "the target of the request is no path: '\(target.shown())'")
        }
        path = []
        for part in halves[0].dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            path.append(try Self.decoded(part))
        }
        parameters = []
        guard halves.count == 2 else { return }
        for pair in halves[1].split(separator: "&") {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let value = sides.count == 2 ? try Self.decoded(sides[1], plusIsSpace: true) : ""
            parameters.append((try Self.decoded(sides[0], plusIsSpace: true), value))
        }
    }

    private static func decoded(_ text: Substring, plusIsSpace: Bool = false) throws(Refusal) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "+"), plusIsSpace {
                bytes.append(UInt8(ascii: " "))
            } else if byte == UInt8(ascii: "%") {
                guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                    throw Refusal(
                        .badRequest, "invalid_request", "a '%' without two hexadecimal digits in '\(text.shown())'")
                }
                bytes.append(high << 4 | low)
            } else {
                bytes.append(byte)
            }
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw Refusal(.badRequest, "invalid_request", "'\(text.shown())' is not UTF-8")
        }
        return decoded
    }

    private static func digit(_ byte: UInt8) -> UInt8? { Character(UnicodeScalar(byte)).hexDigitValue.map(UInt8.init) }
}
