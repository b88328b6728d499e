// SPDX-License-Identifier: Apache-2.0

import Logging
import PerchMetastore
import PerchReactor
import PerchSDK

extension Triggerer {
    /// Carries out what the state wants.
    func perform(_ work: TriggererWork, now: Int64) {
        switch work {
        case .acquire(let previous): acquire(previousOwner: previous)
        case .renew(let owner, let watched): renew(owner, watched: watched)
        case .readWaits(let request): read(request)
        case .readInbox(let request): read(request)
        case .standInbox(let request): stand(request)
        case .withdrawInbox: state?.inboxWithdrawn(withdrawStandingRead())
        case .commit(let group): commit(group)
        case .restartSources:
            stopSources()
            _ = withdrawStandingRead()
            log.warning("the lease on the waits was lost; they are read again under the next one")
            startSources(generation: state?.generation ?? 0)
        case .arm(let waits, let source): arm(waits, at: source, now: now)
        case .armInbox(let waits): armInbox(waits, now: now)
        case .disarm(let waitID, let source):
            let source = sources[source]
            timed(source, "remove", wait: waitID) { source.remove(waitID) }
        case .lookBack(let waitID, let source, let event):
            guard let source = sources[source] as? any InboxSource else { return }
            timed(source, "lookBack", wait: waitID, target: event.name) { source.lookBack(waitID, [event]) }
        case .offer(let event):
            for source in inboxSources { timed(source, "offer", target: event.name) { source.offer([event]) } }
        case .checkpoint(let waitID, let source, let instant):
            let source = sources[source] as? any InboxSource
            source?.reached(waitID, instant)
            state?.checkpointed(waitID, next: source?.interest(of: waitID)?.checkpoint)
        case .settled(let waitID, let isFree):
            for source in inboxSources { source.settled(waitID, isFree: isFree) }
        case .probe(let waitID, let source): probe(waitID, at: source)
        case .loaded(let waits, let after):
            log.info("waits armed", metadata: ["waits": "\(waits)", "after_ms": "\(after / 1_000)"])
        case .shared(let gained, let lost):
            log.info("shards shared anew", metadata: ["gained": "\(gained)", "handed_over": "\(lost)"])
        case .caughtUp(let waits, let after):
            log.info("waits taken over", metadata: ["waits": "\(waits)", "after_ms": "\(after / 1_000)"])
        }
    }

    // MARK: sources

    private func arm(_ waits: ArraySlice<WaitToArm>, at source: Int, now: Int64) {
        let began = reactor.loop.uptime
        add(waits.compactMap { armed($0, now: now) }, to: sources[source])
        state?.pace.took(reactor.loop.uptime - began, for: waits.count, source: source)
    }

    private func add(_ waits: [ArmedWait], to source: any TriggerSource) {
        // Of many waits none can be blamed: their number is said instead.
        let only = waits.count == 1 ? waits.first : nil
        timed(source, "add", wait: only?.waitID, target: only?.target, waits: waits.count) { source.add(waits) }
    }

    private func armInbox(_ waits: [WaitToArm], now: Int64) {
        let began = reactor.loop.uptime
        var bySource: [[ArmedWait]] = Array(repeating: [], count: sources.count)
        var places: [Int?] = []
        for wait in waits {
            let source = state?.table[wait.waitID].flatMap { state?.kinds.source(of: $0) }
            places.append(source)
            if let source, let armed = armed(wait, now: now) { bySource[source].append(armed) }
        }
        for (source, waits) in bySource.enumerated() where !waits.isEmpty { add(waits, to: sources[source]) }
        for (place, wait) in waits.enumerated() {
            guard let source = places[place] else { continue }
            state?.listens(at: place, to: (sources[source] as? any InboxSource)?.interest(of: wait.waitID))
        }
        state?.pace.took(reactor.loop.uptime - began, for: waits.count, source: ArmingPace.inbox)
    }

    /// A wait with its JSON read; one that cannot be read is broken.
    private func armed(_ wait: WaitToArm, now: Int64) -> ArmedWait? {
        do {
            return ArmedWait(
                waitID: wait.waitID, kind: wait.kind, target: wait.target, due: wait.due,
                definition: try wait.definition.map { try JSONValue(parsingEnvelope: $0) } ?? .object([:]),
                since: wait.since,
                progress: try wait.progress.map { try JSONValue(parsingEnvelope: $0) }, eventFloor: wait.eventFloor,
                deadline: wait.deadline)
        } catch {
            let message = "what is stored of the wait for '\(wait.target)' cannot be read: \(error)"
            state?.reported(.broken(waitID: wait.waitID, message: message), now: now)
            return nil
        }
    }

    private func probe(_ waitID: Int64, at source: Int) {
        let generation = state?.generation ?? 0
        let source = sources[source]
        timed(source, "probeNow", wait: waitID) {
            source.probeNow(waitID) { [weak self] in
                self?.assumeIsolated {
                    $0.state?.probed(waitID, generation: generation)
                    $0.planTurn()
                }
            }
        }
    }

    // MARK: the lease

    private func acquire(previousOwner: Int64?) {
        let processes = processes
        let lease = configuration.lease
        let terms = configuration.terms
        run { triggerer in
            do {
                let identity = try processes.current()
                let (owner, share, peers, lastEvent) = try await triggerer.metastore.write { transaction in
                    try transaction.removeEnded(processes, orOwner: previousOwner)
                    let owner = try transaction.registerTriggerer(identity, terms: terms, lease: lease)
                    return (
                        owner, try transaction.shareShards(owner), try transaction.peers(of: owner),
                        try transaction.lastEventSeq()
                    )
                }
                triggerer.owner = owner
                triggerer.watch(peers)
                triggerer.state?.acquired(
                    owner: owner, share: share, lastEvent: lastEvent, now: triggerer.reactor.loop.now)
            } catch {
                triggerer.log.warning("the lease on the waits was not given", metadata: ["error": "\(error)"])
                triggerer.state?.acquireFailed(now: triggerer.reactor.loop.now)
            }
        }
    }

    private func renew(_ owner: Int64, watched: Int) {
        let processes = processes
        let lease = configuration.lease
        let generation = state?.generation ?? 0
        run { triggerer in
            do {
                let renewed = try await triggerer.metastore.write { transaction -> (ShardShare, [ProcessRow])? in
                    guard try transaction.renewLease(owner, lease: lease) else { return nil }
                    try transaction.removeEnded(processes)
                    try transaction.storeWatched(watched, owner: owner)
                    return (try transaction.shareShards(owner), try transaction.peers(of: owner))
                }
                triggerer.watch(renewed?.1 ?? [])
                triggerer.state?.renewed(generation: generation, share: renewed?.0, now: triggerer.reactor.loop.now)
            } catch {
                triggerer.log.warning(
                    "the lease on the waits could not be renewed; trying again", metadata: ["error": "\(error)"])
                triggerer.state?.renewalFailed(generation: generation, now: triggerer.reactor.loop.now)
            }
        }
    }

    // MARK: the metastore

    private func read(_ request: WaitsRequest) {
        run { triggerer in
            do {
                let page = try await triggerer.metastore.read { snapshot in
                    let (waits, last, isComplete) = try snapshot.waitsToArm(
                        after: request.after, upTo: request.upTo ?? .max, of: request.shards, limit: request.limit)
                    return WaitsPage(
                        waits: waits, last: last, isComplete: isComplete,
                        notes: try snapshot.waitNotes(after: request.notedAfter, limit: request.limit))
                }
                triggerer.state?.waitsRead(request, page, now: triggerer.reactor.loop.now)
            } catch {
                triggerer.readFailed(request.generation, ofWaits: true, error)
            }
        }
    }

    private func read(_ request: InboxRequest) {
        run { triggerer in
            do {
                // What is read under the writer's lock has everything that was received before; a snapshot may miss
                // what is being committed.
                let page =
                    request.manner == .barrier
                    ? try await triggerer.metastore.write { try $0.inboxPage(request) }
                    : try await triggerer.metastore.read { try $0.inboxPage(request) }
                triggerer.state?.inboxRead(request, page, now: triggerer.reactor.loop.now)
            } catch {
                triggerer.readFailed(request.generation, ofWaits: false, error)
            }
        }
    }

    private func stand(_ request: InboxRequest) {
        let reactor = reactor
        standingRead = metastore.write(onNext: .events, { try $0.inboxPage(request) }) { [weak self] result in
            guard let self else { return }
            reactor.submit { self.assumeIsolated { $0.standingReadEnded(request, result) } }
        }
    }

    private func standingReadEnded(_ request: InboxRequest, _ result: Result<InboxPage, any Error>) {
        guard !isStopped else { return }
        switch result {
        case .success(let page): state?.inboxRead(request, page, now: reactor.loop.now)
        case .failure(let error): readFailed(request.generation, ofWaits: false, error)
        }
        turn()
    }

    /// Whether no standing read is in the metastore any more; false where it is under way.
    func withdrawStandingRead() -> Bool {
        defer { standingRead = nil }
        return standingRead?.withdraw() ?? true
    }

    private func readFailed(_ generation: Int, ofWaits: Bool, _ error: any Error) {
        log.error(
            "the metastore could not be read; trying again",
            metadata: ["what": ofWaits ? "waits" : "events", "error": "\(error)"])
        state?.readFailed(generation, ofWaits: ofWaits, now: reactor.loop.now)
    }

    private func commit(_ group: CommitGroup) {
        run { triggerer in
            do {
                let results = try await triggerer.metastore.write { transaction in
                    // Nothing of what one that was thought dead has found out may be stored over what its heir has.
                    try transaction.checkLease(of: group.owner)
                    if !group.progress.isEmpty { try transaction.storeProgress(group.progress) }
                    if !group.probes.isEmpty { try transaction.storeProbes(group.probes, owner: group.owner) }
                    if let seq = group.forgetNotesUpTo { try transaction.forgetWaitNotes(upTo: seq, of: group.owner) }
                    let results = try transaction.fireWaits(group.firings, lease: group.owner, noted: group.noted)
                    try transaction.releaseShards(group.releases, of: group.owner)
                    return results
                }
                for (firing, result) in zip(group.firings, results) where result != .won {
                    let reason = result == .taken ? "its event is another's" : "the wait was over already"
                    triggerer.log.debug("\(reason)", metadata: ["wait_id": "\(firing.waitID)"])
                }
                triggerer.state?.committed(group, results, now: triggerer.reactor.loop.now)
            } catch {
                triggerer.log.error(
                    "fires could not be stored; they are kept and tried again",
                    metadata: ["fires": "\(group.firings.count)", "error": "\(error)"])
                triggerer.state?.commitFailed(group, error, now: triggerer.reactor.loop.now)
            }
        }
    }
}

extension Transaction {
    /// Forgets triggerers that certainly live no more: their leases need not run out first.
    func removeEnded(_ processes: any ProcessTable, orOwner previous: Int64? = nil) throws {
        for row in try self.processes(role: TriggererRow.role)
        where row.processID == previous || processes.hasEnded(row) {
            try removeTriggerer(row.processID)
        }
    }

    /// The other triggerers.
    func peers(of owner: Int64) throws -> [ProcessRow] {
        try processes(role: TriggererRow.role).filter { $0.processID != owner }
    }
}

extension Snapshot {
    /// The looks back, as far as the limit goes, and the tail. Each look back gets its share, and some of it always: a long
    /// past of one name holds up nobody who waits for another.
    func inboxPage(_ request: InboxRequest) throws -> InboxPage {
        var left = request.limit
        var lookBacks: [(events: [InboxEvent], isComplete: Bool)] = []
        for (place, past) in request.lookBacks.enumerated() {
            let share = max(1, left / (request.lookBacks.count - place))
            if past.past == .latest {
                let event = try latestEvent(
                    name: past.name, key: past.key, after: past.after, upTo: request.upTo, receivedBy: past.receivedBy)
                lookBacks.append((event.map { [$0] } ?? [], true))
                left -= 1
                continue
            }
            var events =
                past.past == .unclaimed
                ? try unclaimedEvents(name: past.name, key: past.key, after: past.after, limit: share)
                : try events(name: past.name, key: past.key, after: past.after, limit: share)
            let isLong = events.count >= share
            let upTo = events.firstIndex { $0.seq > request.upTo } ?? events.count
            let isComplete = !isLong || upTo < events.count
            events.removeSubrange(upTo...)
            left -= events.count
            lookBacks.append((events, isComplete))
        }
        let tail = try events(after: request.upTo, limit: request.limit)
        return InboxPage(lookBacks: lookBacks, tail: tail, isTailComplete: tail.count < request.limit, readAt: now)
    }
}
