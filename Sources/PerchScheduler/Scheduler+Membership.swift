// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK

/// A scheduler's place in the table of processes. It holds nothing by it: the row tells people, commands and the other
/// schedulers that it lives. One that stood still past its lease was forgotten, and registers anew.
extension Scheduler {
    /// Registers, or renews the lease; forgets schedulers and API servers that are dead; and so again, three times a lease.
    func renew() {
        guard processes != nil, !isStopped, renewal == nil else { return }
        renewal = Task(executorPreference: reactor) { await self.hold() }
    }

    /// What was rung for all schedulers, or is due for all, the one that was there first does at once. The others look a moment
    /// later, and mostly find it done.
    func ringInTurn(_ bells: DoorbellSet) {
        guard rank > 0 else { return ring(bells) }
        guard !isStopped, !bells.isEmpty else { return }
        let at = reactor.loop.now + min(rank, 5) * 100_000
        if let late, late.at <= at {
            self.late?.bells.formUnion(bells)
            return
        }
        // There is none, or the clock was set back since.
        if let late { reactor.loop.cancel(late.timer) }
        let timer = reactor.loop.schedule(at: at) { [weak self] in self?.assumeIsolated { $0.ringLate() } }
        late = (bells.union(late?.bells ?? []), at, timer)
    }

    private func ringLate() {
        guard let late else { return }
        self.late = nil
        ring(late.bells)
    }

    /// Gives the place up.
    func leave() async {
        if let renewalTimer { reactor.loop.cancel(renewalTimer) }
        renewalTimer = nil
        await renewal?.value
        guard let process else { return }
        self.process = nil
        do {
            try await metastore.write { try $0.removeProcess(process) }
        } catch {
            log.warning("this scheduler is listed until its lease ends", metadata: ["error": "\(error)"])
        }
    }

    private func hold() async {
        do {
            try await register()
            try await forgetTheDead()
        } catch {
            log.warning("this scheduler could not renew its lease; it tries again", metadata: ["error": "\(error)"])
        }
        renewal = nil
        guard !isStopped else { return }
        renewalTimer = reactor.loop.schedule(
            at: reactor.loop.now + max(1, configuration.lease.microseconds / 3)
        ) { [weak self] in
            self?.assumeIsolated {
                $0.renewalTimer = nil
                $0.renew()
            }
        }
    }

    private func register() async throws {
        guard let identity = try processes?.current() else { return }
        let (old, lease) = (process, configuration.lease)
        let number = try await metastore.write { transaction in
            if let old, try transaction.renewLease(old, lease: lease) { return old }
            return try transaction.registerScheduler(identity, lease: lease)
        }
        process = number
        if let old, old != number { log.notice("this scheduler was taken for dead; it is registered anew") }
    }

    private func forgetTheDead() async throws {
        guard let processes else { return }
        let own = process
        let (rows, now) = try await metastore.read { (try $0.processes(role: nil), $0.now) }
        let identity = try processes.current()
        let others = rows.filter {
            ($0.role == SchedulerRow.role && $0.processID != own) || $0.role == APIServerRow.role
        }
        // The scheduler that this very process was before is gone, too.
        let ended = others.filter {
            processes.hasEnded($0)
                || ($0.role == SchedulerRow.role && processes.isAlive($0) && $0.pid == identity.pid)
        }.map(\.processID)
        let overdue = others.filter { $0.leaseUntil <= now && !ended.contains($0.processID) }.map(\.processID)
        rank = Int64(
            others.count {
                $0.role == SchedulerRow.role && $0.processID < own ?? 0 && $0.leaseUntil > now
                    && !ended.contains($0.processID)
            })
        guard !ended.isEmpty || !overdue.isEmpty else { return }
        let count = try await metastore.write { try $0.forgetListed(ended: ended, overdue: overdue) }
        if count > 0 { log.notice("forgot schedulers and API servers that are dead", metadata: ["count": "\(count)"]) }
    }
}
