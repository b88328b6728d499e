// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// How far a composite wait has got: pure, its source does the rest.
struct CompositeState {
    /// How a part of the tree stands.
    enum Standing: Hashable {
        case open
        /// It has come: its coded event, and when.
        case met(JSONValue, at: Int64)
        /// It can never come any more, and why.
        case impossible(String)
    }

    struct Leaf {
        var trigger: TriggerSpec
        var standing = Standing.open
        /// What the source of its kind wants kept.
        var progress: JSONValue?
    }

    /// The end of the time in which something must not come.
    struct Bound {
        var until: Int64
        /// Whether it has passed, with everything that came before it known.
        var isReached = false
        /// The leaves that must not come, by place.
        var leaves: Range<Int>
    }

    /// What follows from how the leaves stand.
    struct Verdict {
        var standing: Standing
        /// The leaves on which it still depends.
        var openLeaves: [Int] = []
        /// The bounds on which it still depends.
        var openBounds: [Int] = []
    }

    let root: CompositeNode
    private(set) var leaves: [Leaf] = []
    private(set) var bounds: [Bound] = []

    /// - Parameters:
    ///   - since: When the composite was registered.
    ///   - progress: What `progress` gave before, in this process or another.
    /// - Throws: `PerchError` (`invalid`) where what was stored cannot be read.
    init(_ root: CompositeNode, since: Timestamp, progress: JSONValue?) throws(PerchError) {
        self.root = root
        lay(root, since: since)
        try restore(progress)
    }

    private mutating func lay(_ node: CompositeNode, since: Timestamp) {
        switch node {
        case .wait(let trigger): leaves.append(Leaf(trigger: trigger))
        case .atLeast(_, let members): for member in members { lay(member, since: since) }
        case .none(let inner, let span):
            let place = bounds.count
            let first = leaves.count
            bounds.append(Bound(until: (since + span).microseconds, leaves: first..<first))
            lay(inner, since: since)
            bounds[place].leaves = first..<leaves.count
        }
    }

    // MARK: what happens

    mutating func met(_ leaf: Int, event: JSONValue, at instant: Int64) {
        if case .open = leaves[leaf].standing { leaves[leaf].standing = .met(event, at: instant) }
    }

    mutating func impossible(_ leaf: Int, because reason: String) {
        if case .open = leaves[leaf].standing { leaves[leaf].standing = .impossible(reason) }
    }

    mutating func progressed(_ leaf: Int, _ progress: JSONValue) {
        leaves[leaf].progress = progress
    }

    mutating func reached(_ bound: Int) {
        bounds[bound].isReached = true
    }

    // MARK: what follows

    var verdict: Verdict {
        var leaf = 0
        var bound = 0
        return judge(root, &leaf, &bound)
    }

    private func judge(_ node: CompositeNode, _ leaf: inout Int, _ bound: inout Int) -> Verdict {
        switch node {
        case .wait:
            defer { leaf += 1 }
            let standing = leaves[leaf].standing
            return Verdict(standing: standing, openLeaves: standing == .open ? [leaf] : [])
        case .atLeast(let count, let members):
            return judge(count, members, &leaf, &bound)
        case .none(let inner, let span):
            let own = bounds[bound]
            let ownPlace = bound
            bound += 1
            let verdict = judge(inner, &leaf, &bound)
            if case .met(_, let instant) = verdict.standing, instant <= own.until {
                return Verdict(
                    standing: .impossible("\(inner) came at \(Timestamp(microseconds: instant)), within \(span)"))
            }
            guard own.isReached else {
                let isOpen = verdict.standing == .open
                return Verdict(
                    standing: .open, openLeaves: isOpen ? verdict.openLeaves : [],
                    openBounds: (isOpen ? verdict.openBounds : []) + [ownPlace])
            }
            return Verdict(standing: .met(.object(["met": .array([])]), at: own.until))
        }
    }

    private func judge(
        _ count: Int, _ members: [CompositeNode], _ leaf: inout Int, _ bound: inout Int
    ) -> Verdict {
        var result = Verdict(standing: .open)
        var met: [JSONValue] = []
        var last = Int64.min
        var reasons: [String] = []
        for (place, member) in members.enumerated() {
            let verdict = judge(member, &leaf, &bound)
            switch verdict.standing {
            case .open:
                result.openLeaves += verdict.openLeaves
                result.openBounds += verdict.openBounds
            case .met(let event, let instant):
                met.append(.object(["member": .integer(Int64(place)), "at": .integer(instant), "event": event]))
                last = max(last, instant)
            case .impossible(let reason): reasons.append(reason)
            }
        }
        if met.count >= count {
            return Verdict(standing: .met(.object(["met": .array(met)]), at: last))
        }
        if members.count - reasons.count < count {
            return Verdict(standing: .impossible(reasons.joined(separator: "; ")))
        }
        return result
    }

    // MARK: what is kept

    /// What must outlive a restart: the leaves that have come or never will, what their sources keep, the bounds that were
    /// reached.
    var progress: JSONValue {
        var kept: [String: JSONValue] = [:]
        for (place, leaf) in leaves.enumerated() {
            switch leaf.standing {
            case .met(let event, let instant): kept["\(place)"] = .object(["met": event, "at": .integer(instant)])
            case .impossible(let reason): kept["\(place)"] = .object(["impossible": .string(reason)])
            case .open: if let progress = leaf.progress { kept["\(place)"] = .object(["progress": progress]) }
            }
        }
        var members: [String: JSONValue] = ["leaves": .object(kept)]
        let reached = bounds.indices.filter { bounds[$0].isReached }
        if !reached.isEmpty { members["reached"] = .array(reached.map { .integer(Int64($0)) }) }
        return .object(members)
    }

    private mutating func restore(_ progress: JSONValue?) throws(PerchError) {
        guard let progress else { return }
        guard case .object(let kept) = progress["leaves"] else {
            throw PerchError(.invalid, "what is stored of a composite wait has no 'leaves'")
        }
        for (name, value) in kept.sorted(by: { $0.key < $1.key }) {
            guard let place = Int(name), leaves.indices.contains(place) else {
                throw PerchError(
                    .invalid, "what is stored of a composite wait names the leaf '\(name)', which it has not")
            }
            if let event = value["met"], case .integer(let instant) = value["at"] {
                leaves[place].standing = .met(event, at: instant)
            } else if case .string(let reason) = value["impossible"] {
                leaves[place].standing = .impossible(reason)
            } else {
                leaves[place].progress = value["progress"]
            }
        }
        guard case .array(let reached) = progress["reached"] else { return }
        for element in reached {
            guard case .integer(let place) = element, bounds.indices.contains(Int(clamping: place)) else {
                throw PerchError(.invalid, "what is stored of a composite wait names a bound that it has not")
            }
            bounds[Int(place)].isReached = true
        }
    }
}
