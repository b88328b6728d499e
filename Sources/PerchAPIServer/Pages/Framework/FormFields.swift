// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Named values: of a form that was sent, or behind the question mark of a link. Of a name that stands there twice the first
/// value counts, except where all are asked for.
struct FormFields: Sendable {
    private var pairs: [(name: String, value: String)]

    init(_ pairs: [(name: String, value: String)] = []) { self.pairs = pairs }

    /// Reads `application/x-www-form-urlencoded`.
    /// - Throws: `Refusal` with status 400 for what is no UTF-8 or wrongly encoded.
    init(_ body: String) throws(Refusal) {
        // The parameters of a path are written in the same way.
        pairs = try RequestTarget("/?" + body).parameters
    }

    subscript(name: String) -> String? { pairs.first { $0.name == name }?.value }

    /// A value that is not empty once blanks around it are gone.
    func text(_ name: String) -> String? {
        guard let value = self[name]?.trimmed, !value.isEmpty else { return nil }
        return value
    }

    var isEmpty: Bool { pairs.isEmpty }

    func all(_ name: String) -> [String] { pairs.filter { $0.name == name }.map(\.value) }

    func has(_ name: String) -> Bool { pairs.contains { $0.name == name } }

    /// A whole number within bounds; what is none is nil.
    func number(_ name: String, in range: ClosedRange<Int>) -> Int? {
        text(name).flatMap { Int($0) }.flatMap { range.contains($0) ? $0 : nil }
    }

    /// The same with other values for some names; nil takes a name away.
    func replacing(_ changes: KeyValuePairs<String, String?>) -> [(name: String, value: String)] {
        var left = pairs.filter { pair in !changes.contains { $0.key == pair.name } }
        for (name, value) in changes { if let value { left.append((name, value)) } }
        return left
    }
}

extension String {
    fileprivate var trimmed: String {
        let isBlank = { (character: Character) in character.isWhitespace }
        var rest = drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest = rest.dropLast() }
        return String(rest)
    }
}
