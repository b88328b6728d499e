// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchReactor
internal import PerchSDK

extension Executor {
    /// Ends all bundles and waits until they are gone.
    func endBundles() async {
        for number in living.keys.sorted() {
            guard let bundle = living[number] else { continue }
            bundle.isRetired = true
            await withCheckedContinuation { continuation in
                guard bundle.endWords == nil else { return continuation.resume() }
                bundle.whenEnded.append(continuation)
                bundle.link.terminate()
            }
        }
    }

    /// Stops taking tasks, lets running code end for a while, gives the rest back.
    func drain() async {
        if isStarting {
            // It finds that it was stopped, and ends what it has begun.
            endPauses()
            for number in living.keys.sorted() { living[number]?.link.terminate() }
            await withCheckedContinuation { if isStarting { whenStarted.append($0) } else { $0.resume() } }
        }
        guard life == .running else { return await shutDown() }
        life = .draining
        withdrawClaim()
        // What is being claimed comes still, and is given back like the rest.
        if !core.attempts.isEmpty || isCommitting {
            let timer = reactor.loop.schedule(at: reactor.loop.now + configuration.drainTimeout.microseconds) {
                [weak self] in
                guard let self else { return }
                self.assumeIsolated { executor in
                    executor.core.giveBack(now: executor.now)
                    executor.pump()
                }
            }
            // Where not even that can be recorded, the next start finds what is left.
            let limit = reactor.loop.now + 2 * configuration.drainTimeout.microseconds + 5_000_000
            let lastTimer = reactor.loop.schedule(at: limit) { [weak self] in
                guard let self else { return }
                self.assumeIsolated { $0.wakeDrain() }
            }
            await withCheckedContinuation { continuation in
                whenIdle.append(continuation)
                pump()
            }
            reactor.loop.cancel(timer)
            reactor.loop.cancel(lastTimer)
        }
        await shutDown()
    }

    /// Whoever pauses goes on now, and finds what there is.
    func endPauses() {
        for number in pauses.keys.sorted() { pauses.removeValue(forKey: number)?.resume() }
    }

    /// Wakes whoever waits for the last attempt.
    func checkIdle() {
        guard core.attempts.isEmpty, !isCommitting else { return }
        wakeDrain()
    }

    private func wakeDrain() {
        let waiting = whenIdle
        whenIdle = []
        for continuation in waiting { continuation.resume() }
    }

    /// Ends the bundles, forgets this worker.
    func shutDown() async {
        guard life != .stopped else { return }
        life = .stopped
        for timer in [pollTimer, deadlineTimer?.timer, lookTimer, hostedTimer?.timer] {
            if let timer { reactor.loop.cancel(timer) }
        }
        endPauses()
        peers.watch([]) { _ in nil }
        await endBundles()
        // What was just being started is ended, too, and its row is known when that is over.
        await withCheckedContinuation { if bringUps > 0 { whenNoneComesUp.append($0) } else { $0.resume() } }
        await endBundles()
        let rows = deadRows + (worker == 0 ? [] : [worker])
        guard !rows.isEmpty else { return }
        do {
            try await store.releaseHosted(worker: worker)
            try await store.remove(processes: rows)
        } catch {
            logger.warning("this worker's row stays until the next start", metadata: ["error": "\(error)"])
        }
    }
}
