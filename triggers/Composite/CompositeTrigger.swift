// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Waits for several things at once: for any of them, all, at least so many, or for something that does not come in
/// time. Composites may be nested.
public struct CompositeTrigger: Trigger {
    public typealias Event = CompositeEvent
    public static let kind = "composite"

    /// What is waited for.
    public var root: CompositeNode
    /// What was wrong with its members where it was made; not stored.
    private var memberProblems: [String] = []

    /// The most waits that one composite may be made of.
    static let mostLeaves = 64

    /// A composite of a tree.
    public init(_ root: CompositeNode) {
        self.root = root
    }

    /// A composite that wants at least so many of its members.
    init<each Member: Trigger>(atLeast count: Int?, of members: repeat each Member) {
        var nodes: [CompositeNode] = []
        var problems: [String] = []
        for member in repeat each members {
            nodes.append(Self.node(member, &problems))
        }
        root = .atLeast(count ?? nodes.count, nodes)
        memberProblems = problems
    }

    /// A composite of members that are only known when the program runs.
    ///
    /// - Parameters:
    ///   - count: How many of them have to come; nil: all.
    ///   - members: The members.
    public init(atLeast count: Int?, of members: [any Trigger]) {
        var problems: [String] = []
        let nodes = members.map { Self.node($0, &problems) }
        root = .atLeast(count ?? nodes.count, nodes)
        memberProblems = problems
    }

    /// A composite that wants something not to come within a time.
    public init(none member: some Trigger, within span: TimeSpan) {
        var problems: [String] = []
        root = .none(Self.node(member, &problems), within: span)
        memberProblems = problems
    }

    private static func node<Member: Trigger>(_ member: Member, _ problems: inout [String]) -> CompositeNode {
        problems += member.everyProblem
        if member.watched is any AsyncTrigger {
            problems.append(
                "\(member.target) is watched by code in the bundle and cannot be a member of a composite; wait for both in "
                    + "its own code, or in two tasks")
        }
        if let composite = member.watched as? any CompositeConvertible { return composite.composite.root }
        do {
            return .wait(try TriggerSpec(member))
        } catch {
            problems.append("the \(Member.kind) wait for \(member.target) cannot be stored: \(error)")
            return .atLeast(1, [])
        }
    }

    public var target: String { root.description }

    public var problems: [String] {
        guard memberProblems.isEmpty else { return memberProblems }
        let count = root.leaves.count
        if count > Self.mostLeaves {
            return ["a composite wait is made of \(count) waits; \(Self.mostLeaves) is the most"]
        }
        if root.levels > CompositeNode.mostLevels {
            return ["a composite wait is nested \(root.levels) levels deep; \(CompositeNode.mostLevels) is the most"]
        }
        return root.problems
    }

    /// Reads the tree's JSON form.
    public init(from decoder: any Decoder) throws {
        root = try CompositeNode(json: JSONValue(from: decoder))
    }

    /// Writes the tree's JSON form.
    public func encode(to encoder: any Encoder) throws {
        try root.json.encode(to: encoder)
    }
}

/// A trigger that is a composite inside: its tree becomes a part of the one around it.
protocol CompositeConvertible {
    var composite: CompositeTrigger { get }
}

extension CompositeTrigger: CompositeConvertible {
    var composite: CompositeTrigger { self }
}

extension Trigger where Self == CompositeTrigger {
    /// Waits until one of the members has come; the others are given up at once.
    public static func any<each Member: Trigger>(_ members: repeat each Member) -> CompositeTrigger {
        CompositeTrigger(atLeast: 1, of: repeat each members)
    }

    /// Waits until all members have come, in any order. What has come counts, even if it is gone again at the end.
    public static func all<each Member: Trigger>(_ members: repeat each Member) -> CompositeTrigger {
        CompositeTrigger(atLeast: nil, of: repeat each members)
    }

    /// Waits until so many of the members have come; the others are given up then.
    public static func atLeast<each Member: Trigger>(
        _ count: Int, of members: repeat each Member
    ) -> CompositeTrigger {
        CompositeTrigger(atLeast: count, of: repeat each members)
    }

    /// Waits until something has failed to come for a time, counted from the moment at which the wait is registered.
    ///
    /// Where it does come in time, the wait can never be met: alone, it fails its task; as a member of `any`, the
    /// others go on. An event that was received at or before the end of the time has come in time.
    public static func not(_ member: some Trigger, within duration: Duration) -> CompositeTrigger {
        CompositeTrigger(none: member, within: TimeSpan(duration))
    }
}
