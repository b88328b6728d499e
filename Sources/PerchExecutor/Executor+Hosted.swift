// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchBundle
internal import PerchMetastore
internal import PerchReactor
package import PerchSDK

extension Executor {
    /// When a hosted trigger is to be woken or run next; the present while code of one runs. Nil where there is none.
    package func nextHosted() -> Timestamp? {
        if isCommittingHosted || mustLookForHosted || hosted.isBusy { return now }
        return hosted.nextInstant
    }

    // MARK: Turns

    /// Hosted waits came or went; `orphans`: those of dead workers are looked for, too.
    func lookForHosted(orphans: Bool) {
        mustLookForHosted = true
        if orphans { mustLookForOrphans = true }
        pumpHosted()
    }

    /// Does what the core of hosted triggers asks for, and commits the next turn about them.
    func pumpHosted() {
        performHosted()
        guard !isCommittingHosted, failedHostedCommits == 0, life == .running || life == .draining, !isRejoining else {
            return
        }
        var turn = hosted.takeTurn()
        if mustLookForHosted, life == .running {
            turn.looks = true
            turn.takesOrphans = mustLookForOrphans
            turn.claimLimit = hosted.room
            mustLookForHosted = false
            mustLookForOrphans = false
        }
        guard !turn.isEmpty else { return }
        isCommittingHosted = true
        tellEnds(turn)
        let worker = worker
        Task(executorPreference: reactor) { await self.commitHosted(turn, worker: worker) }
    }

    /// Tells the log what has nothing more to say, before the end of the wait is stored. With it a sensor's try is over.
    private func tellEnds(_ turn: HostedTurn) {
        guard logs.hearsEnds else { return }
        for firing in turn.firings {
            guard let trigger = hosted.hosted[firing.waitID], trigger.hasSpoken else { continue }
            logs.ended(trigger.loggedTry, by: worker, isOver: trigger.wait.isSensor)
        }
    }

    private func commitHosted(_ turn: HostedTurn, worker: Int64) async {
        let result: Result<HostedOutcome, any Error>
        do {
            result = .success(try await store.commit(turn, worker: worker))
        } catch {
            result = .failure(error)
        }
        isCommittingHosted = false
        // Joined anew meanwhile: all that was hosted then is forgotten.
        guard worker == self.worker else { return lookForHosted(orphans: true) }
        switch result {
        case .success(let outcome):
            failedHostedCommits = 0
            hosted.committed(turn, outcome, now: now)
            if outcome.claimed.count == turn.claimLimit, turn.claimLimit > 0 { mustLookForHosted = true }
            pumpHosted()
        case .failure(let error):
            hosted.putBack(turn)
            if turn.looks { mustLookForHosted = true }
            if turn.takesOrphans { mustLookForOrphans = true }
            failedHostedCommits += 1
            let seconds = Int64(1) << Int64(min(failedHostedCommits - 1, 5))
            logger.error(
                "a commit about hosted triggers failed", metadata: ["error": "\(error)", "next_try_in": "\(seconds) s"])
            _ = reactor.loop.schedule(at: reactor.loop.now + seconds * 1_000_000) { [weak self] in
                guard let self else { return }
                self.assumeIsolated { executor in
                    executor.failedHostedCommits = 0
                    executor.pumpHosted()
                }
            }
        }
    }

    // MARK: Actions

    private func performHosted() {
        var touched: Set<Place> = []
        var actions = hosted.takeActions()
        while !actions.isEmpty {
            for action in actions { perform(action, &touched) }
            actions = hosted.takeActions()
        }
        for place in touched.sorted() {
            bundles[place]?.link.flush()
            watchSilence(place)
        }
        armHostedTimer()
    }

    private func perform(_ action: HostedCore.Action, _ touched: inout Set<Place>) {
        switch action {
        case .send(let place, let message):
            touched.insert(place)
            send(message, to: place)
        case .log(let trigger, let lines):
            logs.append(lines, to: trigger.loggedTry, by: worker, worth: .always(past: trigger.past))
        case .ended(let trigger):
            if logs.hearsEnds { logs.ended(trigger.loggedTry, by: worker, isOver: false) }
        case .report(let trigger, let words):
            logger.warning(
                "\(words)",
                metadata: [
                    "wait": "\(trigger.wait.waitID)", "trigger": "\(trigger.name)", "target": "\(trigger.wait.target)",
                    "times": "\(trigger.offences + 1)",
                ])
        case .kill(let place):
            bundles[place]?.isRetired = true
            bundles[place]?.link.terminate()
        case .retire(let place): retire(place)
        case .launch(let place): launch(place)
        }
    }

    private func send(_ message: EngineMessage, to place: Place) {
        guard let bundle = bundles[place], case .hosting(let group) = place else { return }
        do {
            try bundle.link.send(message)
        } catch {
            guard case .hostTrigger(let order) = message else {
                return logger.error("a message to the bundle was dropped", metadata: ["error": "\(error)"])
            }
            hosted.receive(
                .failed(.broken, message: "its definition is too large: \(error)"), of: order.run, from: group, now: now
            )
        }
    }

    /// Sets the one timer for what is to be done next about a hosted trigger.
    private func armHostedTimer() {
        let next = hosted.nextInstant
        if let armed = hostedTimer {
            if armed.at == next { return }
            reactor.loop.cancel(armed.timer)
            hostedTimer = nil
        }
        guard let next else { return }
        let timer = reactor.loop.schedule(at: next.microseconds) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { executor in
                executor.hostedTimer = nil
                executor.hosted.passTime(now: executor.now)
                executor.pumpHosted()
            }
        }
        hostedTimer = (timer, next)
    }
}
