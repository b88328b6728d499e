// SPDX-License-Identifier: Apache-2.0

public import PerchReactor
public import PerchSDK

/// Watches all composites: gives each leaf to the source of its kind, under an id of its own, and judges what comes back.
///
/// So a leaf shares its probe or watch with every other wait for the same target, composite or not. The other sources
/// report to `take`, which keeps what concerns leaves and passes on the rest.
public final class CompositeSource: InboxSource {
    private struct Watch {
        var state: CompositeState
        /// The ids under which its leaves are with their sources, by place; nil for those that are not.
        var children: [Int64?]
        var wait: ArmedWait
        /// Bounds that had passed when the wait was armed: one probe comes before each.
        var lateBounds: Set<Int> = []
        /// Bounds whose last probe is under way.
        var probedBounds: Set<Int> = []
        /// The earliest of their ends: what is found then counts as having come by then.
        var probesFor: Int64?
    }

    private let loop: any EventLoop
    private let report: (SourceReport) -> Void
    private var members: [any TriggerSource] = []
    private var memberOfKind: [String: Int] = [:]
    private var watches: [Int64: Watch] = [:]
    /// The composite and the leaf of each id that was given to a source. These are below 0, those of waits above.
    private var owners: [Int64: (wait: Int64, leaf: Int)] = [:]
    private var lastChild: Int64 = 0
    /// Leaves that are to be taken from their sources in the next turn: a source is not changed while it reports.
    private var losers: [(source: Int, child: Int64)] = []

    /// A source on a loop's thread.
    public init(loop: any EventLoop, report: @escaping (SourceReport) -> Void) {
        self.loop = loop
        self.report = report
    }

    /// Names the sources of the leaves; before anything is added. They must report to `take`.
    public func serve(_ sources: [any TriggerSource]) {
        members = sources
        for (place, source) in sources.enumerated() {
            for kind in source.kinds { memberOfKind[kind] = place }
        }
    }

    public var kinds: [String] { [CompositeTrigger.kind] }

    // MARK: arming

    public func add(_ waits: [ArmedWait]) {
        var bySource: [[ArmedWait]] = Array(repeating: [], count: members.count)
        for wait in waits {
            do {
                if watches[wait.waitID] != nil { remove(wait.waitID) }
                try begin(wait, &bySource)
            } catch {
                report(.broken(waitID: wait.waitID, message: "the composite wait for \(wait.target): \(error)"))
            }
        }
        for (source, leaves) in bySource.enumerated() {
            // What was added before may have decided a composite whose other leaves are in the line still.
            let wanted = leaves.filter { owners[$0.waitID] != nil }
            if !wanted.isEmpty { members[source].add(wanted) }
        }
    }

    private func begin(_ wait: ArmedWait, _ bySource: inout [[ArmedWait]]) throws(PerchError) {
        let root = try CompositeNode(json: wait.definition)
        if let problem = CompositeTrigger(root).problems.first { throw PerchError(.invalid, problem) }
        let state = try CompositeState(root, since: wait.since, progress: wait.progress)
        let now = loop.now
        var watch = Watch(state: state, children: Array(repeating: nil, count: state.leaves.count), wait: wait)
        watch.lateBounds = Set(state.bounds.indices.filter { state.bounds[$0].until <= now })
        let verdict = state.verdict
        var armed: [(source: Int, wait: ArmedWait)] = []
        for place in verdict.openLeaves {
            let leaf = state.leaves[place]
            guard let source = memberOfKind[leaf.trigger.kind] else {
                throw PerchError(
                    .invalid, "a wait of the kind '\(leaf.trigger.kind.shown())' cannot be a member of a composite")
            }
            armed.append(
                (
                    source,
                    ArmedWait(
                        waitID: lastChild - Int64(armed.count) - 1, kind: leaf.trigger.kind,
                        target: leaf.trigger.target, due: try leaf.trigger.due?.instant(from: wait.since),
                        definition: leaf.trigger.definition, since: wait.since, progress: leaf.progress,
                        eventFloor: wait.eventFloor, deadline: wait.deadline)
                ))
            watch.children[place] = lastChild - Int64(armed.count)
        }
        lastChild -= Int64(armed.count)
        watches[wait.waitID] = watch
        for (place, child) in watch.children.enumerated() {
            if let child { owners[child] = (wait.waitID, place) }
        }
        for (source, leaf) in armed { bySource[source].append(leaf) }
        settle(wait.waitID, verdict)
    }

    public func remove(_ waitID: Int64) {
        guard let watch = watches.removeValue(forKey: waitID) else { return }
        for (place, child) in watch.children.enumerated() {
            guard let child, let source = memberOfKind[watch.state.leaves[place].trigger.kind] else { continue }
            owners[child] = nil
            members[source].remove(child)
        }
    }

    // MARK: what comes back

    /// Takes a report of a member source: what concerns a leaf stays here, the rest goes on.
    public func take(_ news: SourceReport) {
        switch news {
        case .fired(let waitID, let payload) where waitID < 0:
            change(waitID, isGone: true) { watch, leaf in
                watch.state.met(leaf, event: payload, at: self.instant(of: payload, leaf, watch))
            }
        case .broken(let waitID, let message) where waitID < 0:
            change(waitID, isGone: true) { watch, leaf in watch.state.impossible(leaf, because: message) }
        case .progressed(let waitID, let progress) where waitID < 0:
            change(waitID, isGone: false) { watch, leaf in watch.state.progressed(leaf, progress) }
        case .fired, .claimed, .broken, .progressed, .probed:
            report(news)
        }
    }

    /// An event came when it was received; everything else when it was seen.
    private func instant(of payload: JSONValue, _ leaf: Int, _ watch: Watch) -> Int64 {
        let kind = watch.state.leaves[leaf].trigger.kind
        if let source = memberOfKind[kind], members[source] is any InboxSource,
            case .integer(let received) = payload["received_at"]
        {
            return received
        }
        return watch.probesFor ?? loop.now
    }

    private func change(_ child: Int64, isGone: Bool, _ body: (inout Watch, Int) -> Void) {
        guard let (waitID, leaf) = owners[child], var watch = watches.removeValue(forKey: waitID) else { return }
        if isGone {
            owners[child] = nil
            watch.children[leaf] = nil
        }
        body(&watch, leaf)
        watches[waitID] = watch
        settle(waitID, watch.state.verdict, hasChanged: true)
    }

    /// Reports what has been decided, and gives up the leaves on which nothing depends any more.
    private func settle(_ waitID: Int64, _ verdict: CompositeState.Verdict, hasChanged: Bool = false) {
        switch verdict.standing {
        case .open:
            giveUp(waitID, except: Set(verdict.openLeaves))
            if hasChanged, let watch = watches[waitID] {
                report(.progressed(waitID: waitID, progress: watch.state.progress))
            }
        case .met(let event, _):
            giveUp(waitID, except: [])
            watches[waitID] = nil
            report(.fired(waitID: waitID, payload: event))
        case .impossible(let reason):
            giveUp(waitID, except: [])
            let target = watches.removeValue(forKey: waitID)?.wait.target ?? ""
            report(.broken(waitID: waitID, message: "\(target) cannot come any more: \(reason)"))
        }
    }

    private func giveUp(_ waitID: Int64, except wanted: Set<Int>) {
        guard let watch = watches[waitID] else { return }
        let wasEmpty = losers.isEmpty
        for (place, child) in watch.children.enumerated() where !wanted.contains(place) {
            guard let child, let source = memberOfKind[watch.state.leaves[place].trigger.kind] else { continue }
            watches[waitID]?.children[place] = nil
            owners[child] = nil
            losers.append((source, child))
        }
        guard wasEmpty, !losers.isEmpty else { return }
        loop.enqueue { [weak self] in self?.dropLosers() }
    }

    private func dropLosers() {
        let dropped = losers
        losers = []
        for (source, child) in dropped where members.indices.contains(source) { members[source].remove(child) }
    }

    // MARK: the inbox

    public func interest(of waitID: Int64) -> InboxInterest? {
        guard let watch = watches[waitID] else { return nil }
        var addresses: [InboxInterest.Address] = []
        for (_, child, source) in inboxChildren(of: watch) {
            for address in source.interest(of: child)?.addresses ?? [] where !addresses.contains(address) {
                addresses.append(address)
            }
        }
        let next = watch.state.verdict.openBounds.filter { !watch.probedBounds.contains($0) }
            .map { watch.state.bounds[$0].until }.min()
        return InboxInterest(addresses: addresses, checkpoint: next.map { Timestamp(microseconds: $0) })
    }

    /// The member sources take the tail for themselves.
    public func offer(_ events: [InboxEvent]) {}

    public func lookBack(_ waitID: Int64, _ events: [InboxEvent]) {
        for event in events {
            guard let watch = watches[waitID] else { return }
            for (leaf, child, source) in inboxChildren(of: watch) where watches[waitID]?.children[leaf] == child {
                source.lookBack(child, [event])
            }
        }
    }

    private func inboxChildren(of watch: Watch) -> [(leaf: Int, child: Int64, source: any InboxSource)] {
        watch.children.enumerated().compactMap { place, child in
            guard let child, let source = memberOfKind[watch.state.leaves[place].trigger.kind],
                let inbox = members[source] as? any InboxSource
            else { return nil }
            return (place, child, inbox)
        }
    }

    /// Bounds up to the instant are reached; for those that were late already, the leaves are probed once before.
    public func reached(_ waitID: Int64, _ checkpoint: Timestamp) {
        guard var watch = watches[waitID] else { return }
        let bounds = watch.state.verdict.openBounds.filter {
            watch.state.bounds[$0].until <= checkpoint.microseconds && !watch.probedBounds.contains($0)
        }
        let late = bounds.filter(watch.lateBounds.contains)
        watch.probedBounds.formUnion(late)
        watch.probesFor = late.map { watch.state.bounds[$0].until }.min()
        watches[waitID] = watch
        end(bounds.filter { !late.contains($0) }, of: waitID)
        guard !late.isEmpty else { return }
        probe(waitID, late.flatMap { watch.state.bounds[$0].leaves }) { [weak self] in
            self?.watches[waitID]?.probesFor = nil
            self?.end(late, of: waitID)
        }
    }

    private func end(_ bounds: [Int], of waitID: Int64) {
        guard !bounds.isEmpty, watches[waitID] != nil else { return }
        for bound in bounds { watches[waitID]?.state.reached(bound) }
        if let verdict = watches[waitID]?.state.verdict { settle(waitID, verdict, hasChanged: true) }
    }

    public func probeNow(_ waitID: Int64, done: @escaping () -> Void) {
        guard let watch = watches[waitID] else { return done() }
        probe(waitID, Array(watch.children.indices), done: done)
    }

    private func probe(_ waitID: Int64, _ leaves: [Int], done: @escaping () -> Void) {
        var open = 1
        func answered() {
            open -= 1
            if open == 0 { done() }
        }
        for leaf in leaves {
            guard let watch = watches[waitID], let child = watch.children[leaf],
                let source = memberOfKind[watch.state.leaves[leaf].trigger.kind]
            else { continue }
            open += 1
            members[source].probeNow(child) { answered() }
        }
        answered()
    }

    // MARK: what there is to say

    public func explain(_ waitID: Int64) -> WaitExplanation? {
        guard let watch = watches[waitID] else { return nil }
        var explanation = WaitExplanation(sentences: ["Waits for \(watch.state.root)."])
        for (place, leaf) in watch.state.leaves.enumerated() {
            let name = "\(leaf.trigger.kind) \(leaf.trigger.target)"
            switch leaf.standing {
            case .met(_, let instant):
                explanation.sentences.append("\(name): came at \(Timestamp(microseconds: instant)).")
            case .impossible(let reason):
                explanation.sentences.append("\(name): can never come: \(reason).")
            case .open:
                guard let child = watch.children[place], let source = memberOfKind[leaf.trigger.kind],
                    let part = members[source].explain(child)
                else {
                    explanation.sentences.append("\(name): given up, for nothing depends on it any more.")
                    continue
                }
                explanation.sentences += part.sentences.map { "\(name): \($0)" }
                explanation.sharing = max(explanation.sharing, part.sharing)
                if explanation.probe == nil { explanation.probe = part.probe }
            }
        }
        for bound in watch.state.verdict.openBounds {
            let until = Timestamp(microseconds: watch.state.bounds[bound].until)
            explanation.sentences.append("What must not come has until \(until).")
        }
        return explanation
    }

    public var gauges: [(name: String, value: Int)] {
        [("composite_waits", watches.count), ("composite_leaves", owners.count)]
    }

    public func shutDown() {
        watches = [:]
        owners = [:]
        losers = []
        members = []
        memberOfKind = [:]
    }
}
