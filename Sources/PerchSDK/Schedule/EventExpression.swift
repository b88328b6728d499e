// SPDX-License-Identifier: Apache-2.0

/// Which patterns of a schedule must have had an event for a run to start, by their places.
public indirect enum EventExpression: Hashable, Sendable {
    case pattern(Int)
    case all([EventExpression])
    case any([EventExpression])

    /// Whether it is met where the patterns whose bits are set have had an event.
    public func isMet(by met: Int64) -> Bool {
        switch self {
        case .pattern(let place): met & (1 << Int64(place)) != 0
        case .all(let members): members.allSatisfy { $0.isMet(by: met) }
        case .any(let members): members.contains { $0.isMet(by: met) }
        }
    }

    /// What is wrong with it, of so many patterns; nil where nothing is.
    func problem(of count: Int) -> String? {
        switch self {
        case .pattern(let place):
            return (0..<count).contains(place) ? nil : "the schedule has no event of the number \(place)"
        case .all(let members), .any(let members):
            if members.isEmpty { return "an 'and' or 'or' of a schedule has members" }
            return members.lazy.compactMap { $0.problem(of: count) }.first
        }
    }

    /// In words, with so named patterns: `asset a and (asset b or asset c)`.
    func text(_ names: [String], isInner: Bool = false) -> String {
        switch self {
        case .pattern(let place): return names.indices.contains(place) ? names[place] : "?"
        case .all(let members), .any(let members):
            let word = if case .all = self { " and " } else { " or " }
            let text = members.map { $0.text(names, isInner: true) }.joined(separator: word)
            return isInner && members.count > 1 ? "(\(text))" : text
        }
    }
}

extension EventExpression: JSONConvertible {
    /// `{"all": [0, {"any": [1, 2]}]}`.
    public var json: JSONValue {
        switch self {
        case .pattern(let place): .integer(Int64(place))
        case .all(let members): .object(["all": .array(members.map(\.json))])
        case .any(let members): .object(["any": .array(members.map(\.json))])
        }
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) { try self.init(json, depth: 0) }

    private init(_ json: JSONValue, depth: Int) throws(PerchError) {
        guard depth < 64 else { throw PerchError(.invalid, "the events of a schedule are nested deeper than 64") }
        if case .integer(let place) = json, (0..<64).contains(place) {
            self = .pattern(Int(place))
            return
        }
        guard case .object(let members) = json, members.count == 1, let member = members.first,
            case .array(let elements) = member.value
        else { throw PerchError(.invalid, "the events of a schedule are numbers, and objects 'all' or 'any'") }
        var read: [EventExpression] = []
        for element in elements { read.append(try EventExpression(element, depth: depth + 1)) }
        switch member.key {
        case "all": self = .all(read)
        case "any": self = .any(read)
        default: throw PerchError(.invalid, "the events of a schedule are joined by 'all' or 'any'")
        }
    }
}
