// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchBundle
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK
internal import Synchronization

extension Executor {
    var now: Timestamp { clock.now }

    /// The worker's lease lasts three periods, so that one late renewal loses nothing.
    var lease: TimeSpan { TimeSpan(microseconds: configuration.pollPeriod.microseconds * 3) }

    /// Rings where a task was queued that may be for this worker.
    private var queueBell: DoorbellSet { .queues(ofBundle: launcher.name) }

    /// Hears the doorbells, and looks by itself now and then.
    func listen() {
        let reactor = reactor
        store.subscribe([queueBell, .cancels, .hosted, .timetables, .owners, .bundles]) { [weak self] bells in
            guard let executor = self else { return }
            reactor.submit { executor.assumeIsolated { $0.rang(bells) } }
        }
        poll()
    }

    private func rang(_ bells: DoorbellSet) {
        guard life == .running || life == .draining else { return }
        if bells.contains(.hosted) { lookForHosted(orphans: false) }
        if bells.contains(.timetables) {
            askForTicks(again: false)
            // Where the clock was moved, everything rings.
            tellClock()
        }
        if bells.contains(.owners) { lookForDeadWorkers() }
        if bells.contains(.bundles) {
            mustLookAtRevision = true
            // What did not come up may be another one now.
            endPauses()
            askForClashes()
        }
        if bells.isSubset(of: [.hosted, .timetables, .owners]) { return }
        if bells.contains(queueBell) {
            hasWork = true
            withdrawClaim()
            if isCommitting { bellsDuringCommit = true } else { mayWaitToLook = false }
        }
        if bells.contains(.cancels), !core.attempts.isEmpty { core.askForCancels() }
        pump()
    }

    private func poll() {
        let at = reactor.loop.now + configuration.pollPeriod.microseconds
        pollTimer = reactor.loop.schedule(at: at) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { executor in
                guard executor.life == .running || executor.life == .draining else { return }
                executor.hasWork = true
                executor.mustLookAtRevision = true
                executor.core.askForLease(executor.lease)
                if !executor.core.attempts.isEmpty { executor.core.askForCancels() }
                executor.pump()
                executor.lookForHosted(orphans: true)
                executor.lookForDeadWorkers()
                executor.askForClashes()
                executor.askForDescription()
                executor.askForTicks(again: false)
                executor.tellClock()
                executor.poll()
            }
        }
    }

    /// Does what the core asks for, and commits the next turn where there is something to commit and nothing under way.
    func pump() {
        perform()
        slots.store(core.attempts.count, ordering: .relaxed)
        if mustLookAtRevision || configuration.recycling.isOn { recycleWhereDue() }
        guard !isCommitting, failedCommits == 0, life == .running || life == .draining else { return }
        let mayClaim = life == .running && core.freeSlots > 0 && core.isPoolReady
        let claims = mayClaim && hasWork && (!mayWaitToLook || core.turn.hasReports)
        if let standingClaim {
            let isRight =
                standingClaim.turn.claimLimit == core.claimLimit
                && standingClaim.turn.bundleVersion == core.versions[.main]
            if mayClaim, !claims, core.turn.isEmpty, isRight { return }
            withdrawClaim()
            if isCommitting { return }
        }
        let turn = core.takeTurn(claims: claims)
        guard !turn.isEmpty else {
            if mayClaim { standClaim() }
            return checkIdle()
        }
        isCommitting = true
        if claims { hasWork = false }
        bellsDuringCommit = false
        tellEnds(turn)
        Task(executorPreference: reactor) { await self.commit(turn) }
    }

    /// Tells the logs which attempts have nothing more to say, before the turn that reports it.
    private func tellEnds(_ turn: Turn) {
        guard logs.hearsEnds else { return }
        func tell(_ dispatchID: Int64, isOver: Bool) {
            guard let attempt = core.attempts[dispatchID] else { return }
            logs.ended(attempt.loggedTry, by: worker, isOver: isOver)
        }
        for report in turn.reports { tell(report.dispatchID, isOver: true) }
        for deferral in turn.deferrals { tell(deferral.dispatchID, isOver: false) }
        for reference in turn.requeued + turn.suspects { tell(reference.dispatchID, isOver: false) }
    }

    private func standClaim() {
        let turn = core.takeTurn(claims: true)
        bellsDuringCommit = false
        let reactor = reactor
        let write = store.commit(
            turn, worker: worker, onNext: queueBell
        ) { [weak self] result in
            guard let executor = self else { return }
            reactor.submit { executor.assumeIsolated { $0.claimEnded(turn, result) } }
        }
        standingClaim = (turn, write)
    }

    /// Takes the standing claim back, if there is one. Where its group has it, it is a commit under way like any other.
    func withdrawClaim() {
        guard let claim = standingClaim else { return }
        standingClaim = nil
        if !claim.write.withdraw() { isCommitting = true }
    }

    private func claimEnded(_ turn: Turn, _ result: Result<TurnOutcome, any Error>) {
        standingClaim = nil
        isCommitting = false
        switch result {
        case .success(let outcome):
            guard outcome.isRegistered else {
                // A bell that comes before it has begun must not start another commit under the old number.
                isCommitting = true
                Task(executorPreference: reactor) { await self.joinAnew() }
                return
            }
            lookLater(turn, outcome)
            core.committed(turn, outcome, now: now)
            pump()
        case .failure(let error):
            guard life == .running || life == .draining else { return }
            commitFailed(turn, error)
        }
    }

    private func commit(_ turn: Turn) async {
        do {
            let outcome = try await store.commit(turn, worker: worker)
            isCommitting = false
            guard outcome.isRegistered else { return await joinAnew() }
            lookLater(turn, outcome)
            core.committed(turn, outcome, now: now)
            if mustRejoin { return await rejoin() }
            pump()
        } catch {
            isCommitting = false
            commitFailed(turn, error)
        }
    }

    /// Decides whether the queue is looked at again at once. A bell during a commit that found the queue empty most
    /// likely told of what that very commit had queued and claimed; so the next look comes with the next report, or a
    /// moment later, instead of costing each task of a chain a second transaction.
    private func lookLater(_ turn: Turn, _ outcome: TurnOutcome) {
        if turn.claimLimit > 0, outcome.claimed.count == turn.claimLimit {
            hasWork = true
            mayWaitToLook = false
        } else if bellsDuringCommit, turn.claimLimit > 0 {
            mayWaitToLook = true
            guard lookTimer == nil else { return }
            lookTimer = reactor.loop.schedule(at: reactor.loop.now + 2_000) { [weak self] in
                guard let self else { return }
                self.assumeIsolated { executor in
                    executor.lookTimer = nil
                    executor.mayWaitToLook = false
                    executor.pump()
                }
            }
        } else if bellsDuringCommit {
            mayWaitToLook = false
        }
    }

    /// Nothing new is taken until a commit has gone through again; what was reported is kept and said again, which
    /// changes nothing where it had been recorded after all.
    private func commitFailed(_ turn: Turn, _ error: any Error) {
        failedCommits += 1
        core.putBack(turn)
        if turn.claimLimit > 0 { mustRejoin = true }
        let seconds = Int64(1) << Int64(min(failedCommits - 1, 5))
        logger.error(
            "a commit failed; no task is handed out until one goes through",
            metadata: ["error": "\(error)", "next_try_in": "\(seconds) s"])
        _ = reactor.loop.schedule(at: reactor.loop.now + seconds * 1_000_000) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { executor in
                guard executor.life == .running || executor.life == .draining, !executor.isCommitting else { return }
                let turn = executor.core.takeTurn(claims: false)
                executor.isCommitting = true
                executor.tellEnds(turn)
                Task(executorPreference: executor.reactor) { await executor.commitAgain(turn) }
            }
        }
    }

    private func commitAgain(_ turn: Turn) async {
        do {
            let outcome = try await store.commit(turn, worker: worker)
            isCommitting = false
            failedCommits = 0
            hasWork = true
            logger.notice("commits go through again")
            core.committed(turn, outcome, now: now)
            if mustRejoin || !outcome.isRegistered { return await rejoin() }
            pump()
        } catch {
            isCommitting = false
            commitFailed(turn, error)
        }
    }

    /// Others took this worker for dead, and what it held is theirs by now.
    private func joinAnew() async {
        guard life == .running || life == .draining else {
            isCommitting = false
            return checkIdle()
        }
        logger.warning("this worker is not registered any more; it joins anew")
        await rejoin()
    }

    /// Starts over under another worker's number: everything held under the old one is queued again with a fresh
    /// dispatch, so that nothing the metastore thinks is held here stays behind.
    private func rejoin() async {
        mustRejoin = false
        isCommitting = true
        isRejoining = true
        generation += 1
        core.forgetAll()
        hosted.forgetAll()
        await endBundles()
        bundles = [:]
        isRejoining = false
        do {
            try await join()
            isCommitting = false
            failedCommits = 0
            launchPool(from: 0)
            hasWork = true
            pump()
            lookForHosted(orphans: true)
        } catch {
            isCommitting = false
            mustRejoin = true
            commitFailed(Turn(), error)
        }
    }

    // MARK: Actions

    /// Carries out what the core asks for.
    func perform() {
        var actions = core.takeActions()
        while !actions.isEmpty {
            for action in actions { perform(action) }
            actions = core.takeActions()
        }
        for (_, bundle) in bundles.sorted(by: { $0.key < $1.key }) { bundle.link.flush() }
        armDeadline()
    }

    private func perform(_ action: ExecutorCore.Action) {
        switch action {
        case .send(let place, let message):
            send(message, to: place)
        case .log(let attempt, let lines, let worth):
            logs.append(lines, to: attempt.loggedTry, by: worker, worth: worth)
        case .kill(let place):
            bundles[place]?.isRetired = true
            bundles[place]?.link.terminate()
        case .retire(let place):
            retire(place)
        case .dismiss(let place):
            dismiss(place)
        case .launch(let place):
            launch(place)
        case .publish(let report): exchange(.publish(report))
        case .fetch(let attempt): exchange(.fetch(attempt))
        case .held(let attempt, let span):
            threads.add(1, ordering: .relaxed)
            logger.warning(
                "a task has held a thread of its bundle process for \(span)",
                metadata: [
                    "dag_id": "\(attempt.task.key.dagID)", "run_id": "\(attempt.task.key.runID)",
                    "task_id": "\(attempt.task.key.taskID)", "pid": "\(bundles[attempt.place]?.link.pid ?? 0)",
                ])
        }
    }

    private func send(_ message: EngineMessage, to place: Place) {
        guard let bundle = bundles[place] else { return }
        do {
            try bundle.link.send(message)
        } catch {
            guard case .run(let order) = message else {
                return logger.error("a message to the bundle was dropped", metadata: ["error": "\(error)"])
            }
            let failure = AttemptOutcome.failure(message: "its inputs are too large: \(error)", retryable: false)
            core.receive(.result(dispatchID: order.dispatchID, failure), from: place, now: now)
        }
    }

    /// Sets the one timer for the earliest deadline of an attempt.
    private func armDeadline() {
        guard let next = core.nextDeadline else {
            if let armed = deadlineTimer { reactor.loop.cancel(armed.timer) }
            deadlineTimer = nil
            return
        }
        if let armed = deadlineTimer {
            if armed.at == next { return }
            reactor.loop.cancel(armed.timer)
        }
        let timer = reactor.loop.schedule(at: next.microseconds) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { executor in
                executor.deadlineTimer = nil
                executor.core.passTime(now: executor.now)
                executor.pump()
            }
        }
        deadlineTimer = (timer, next)
    }
}
