// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// What a composite waits for, as a tree. Its leaves are waits of other kinds.
public indirect enum CompositeNode: Hashable, Sendable {
    /// One wait.
    case wait(TriggerSpec)
    /// So many of the members: one is *any*, as many as there are is *all*.
    case atLeast(Int, [CompositeNode])
    /// That something does not come within a time, counted from the moment at which the composite was registered.
    case none(CompositeNode, within: TimeSpan)
}

extension CompositeNode: JSONConvertible {
    /// `{"wait": trigger}`, `{"at_least": 1, "of": [node, …]}` or `{"none": node, "within": microseconds}`.
    public var json: JSONValue {
        switch self {
        case .wait(let trigger): .object(["wait": trigger.json])
        case .atLeast(let count, let members):
            .object(["at_least": .integer(Int64(count)), "of": .array(members.map(\.json))])
        case .none(let node, let span): .object(["none": node.json, "within": .integer(span.microseconds)])
        }
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        try self.init(json, depth: 0)
    }

    /// The deepest nesting that is taken: what is stored is read by recursion.
    static let mostLevels = 16

    private init(_ json: JSONValue, depth: Int) throws(PerchError) {
        guard depth < Self.mostLevels else {
            throw PerchError(.invalid, "a composite wait is nested deeper than \(Self.mostLevels) levels")
        }
        if let trigger = json["wait"] {
            self = .wait(try TriggerSpec(json: trigger))
        } else if let node = json["none"] {
            guard case .integer(let span) = json["within"] else {
                throw PerchError(.invalid, "'within' of a composite's 'none' should be a number of microseconds")
            }
            self = .none(try CompositeNode(node, depth: depth + 1), within: TimeSpan(microseconds: span))
        } else if case .integer(let count) = json["at_least"], case .array(let elements) = json["of"] {
            var members: [CompositeNode] = []
            for element in elements { members.append(try CompositeNode(element, depth: depth + 1)) }
            self = .atLeast(Int(clamping: count), members)
        } else {
            throw PerchError(
                .invalid, "a part of a composite wait has 'wait', 'at_least' and 'of', or 'none' and 'within'")
        }
    }
}

extension CompositeNode: CustomStringConvertible {
    /// In words: `any of (file /in/a.csv, time after 1h)`, `no (event orders/7) within 10m`.
    public var description: String {
        switch self {
        case .wait(let trigger): "\(trigger.kind) \(trigger.target)"
        case .atLeast(let count, let members):
            "\(Self.word(count, of: members.count)) (\(members.map(\.description).joined(separator: ", ")))"
        case .none(let node, let span): "no (\(node)) within \(span)"
        }
    }

    static func word(_ count: Int, of members: Int) -> String {
        count == members ? "all of" : count == 1 ? "any of" : "at least \(count) of"
    }
}

extension CompositeNode {
    /// The waits of the tree, in the order in which they were written.
    var leaves: [TriggerSpec] {
        switch self {
        case .wait(let trigger): [trigger]
        case .atLeast(_, let members): members.flatMap(\.leaves)
        case .none(let node, _): node.leaves
        }
    }

    /// What is wrong with the tree, in sentences; what is wrong with a leaf is known where it is made.
    var problems: [String] {
        switch self {
        case .wait(let trigger):
            // The events of a composite are matched from the creation of its run, and all of its members get each.
            guard trigger.kind == "event",
                let field = ["since", "mode", "delivery"].first(where: { trigger.definition[$0] != nil })
            else { return [] }
            return ["an event wait with '\(field)' cannot be a member of a composite: wait for it by itself"]
        case .atLeast(let count, let members):
            guard !members.isEmpty else { return ["a composite wait has no members"] }
            guard (1...members.count).contains(count) else {
                return ["a composite wait cannot want \(count) of \(members.count)"]
            }
            return members.flatMap(\.problems)
        case .none(let node, let span):
            guard span.microseconds > 0 else { return ["nothing can fail to come within \(span)"] }
            return node.problems
        }
    }

    var levels: Int {
        switch self {
        case .wait: 1
        case .atLeast(_, let members): 1 + (members.map(\.levels).max() ?? 0)
        case .none(let node, _): 1 + node.levels
        }
    }
}
