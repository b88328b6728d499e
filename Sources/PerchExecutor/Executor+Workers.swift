// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK

/// One worker among others: it takes part under a number of its own, and what others held that died is queued again.
extension Executor {
    /// Registers this worker, and queues again what workers hold that are gone.
    func join() async throws {
        let old = worker
        worker = try await store.registerWorker(processes.current(), lease: lease)
        try await forgetDeadWorkers(besides: old, joins: true)
    }

    /// Queues again what workers hold that are gone: ended on this machine, or, wherever they are, without a lease.
    ///
    /// - Parameters:
    ///   - old: The number that this worker had before.
    ///   - joins: Whether this worker is only just there: a home that was copied, or whose workers' rows are lost, may have
    ///     tasks of workers that nobody knows.
    private func forgetDeadWorkers(besides old: Int64 = 0, joins: Bool = false) async throws {
        let identity = try processes.current()
        var ended: [Int64] = []
        var overdue: [Int64] = []
        let others = try await store.processes(role: WorkerRow.role).filter { $0.processID != worker }
        // This process may have a worker for each bundle.
        let beside = try await store.workers(besidesBundle: launcher.name)
        var living: [ProcessRow] = []
        for row in others {
            let isOwn =
                row.processID == old
                || (processes.isAlive(row) && row.pid == identity.pid && !beside.contains(row.processID))
            if isOwn || processes.hasEnded(row) {
                ended.append(row.processID)
            } else {
                living.append(row)
                if row.leaseUntil <= now { overdue.append(row.processID) }
            }
        }
        peers.watch(living.map(\.processID)) { id in
            living.first { $0.processID == id }.flatMap { processes.exitDescriptor(of: $0) }
        }
        if !joins, ended.isEmpty, overdue.isEmpty { return }
        let count = try await store.forgetWorkers(ended: ended, overdue: overdue)
        if count > 0 { logger.notice("queued again what a dead worker held", metadata: ["tasks": "\(count)"]) }
    }

    /// Looks for workers that died while this one lives.
    func lookForDeadWorkers() {
        guard life == .running else { return }
        mustLookForDead = true
        guard !isLookingForDead else { return }
        isLookingForDead = true
        Task(executorPreference: reactor) { await self.removeDeadWorkers() }
    }

    private func removeDeadWorkers() async {
        while mustLookForDead, life == .running {
            mustLookForDead = false
            do {
                try await forgetDeadWorkers()
            } catch {
                logger.error("workers that died could not be looked for", metadata: ["error": "\(error)"])
            }
        }
        isLookingForDead = false
    }
}
