// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension Hindrance {
    /// Who cancels runs that are under way for longer than they may be.
    static let runTimeout = "the run's timeout"

    /// What hinders a run as a whole. Decided by what it is given alone.
    static func of(_ run: RunStanding) -> [Hindrance] {
        switch run.row.state {
        case .queued: ofQueued(run)
        case .running: ofRunning(run)
        case .success, .failed: ofEnded(run)
        }
    }

    private static func ofQueued(_ run: RunStanding) -> [Hindrance] {
        var reasons = ofDAG(run)
        if run.activeCount >= run.mostActive {
            let others = run.queuedBefore == 0 ? "" : " \(Words.count(run.queuedBefore, "queued run")) start before it."
            reasons.append(
                Hindrance(
                    .runLimit,
                    """
                    The run is queued: the DAG admits \(Words.count(run.mostActive, "active run")) (max_active_runs), and \
                    \(run.activeCount) \(run.activeCount == 1 ? "is" : "are") under way: \
                    \(Words.names(run.active, of: run.activeCount)).\(others)
                    """,
                    [
                        "max_active_runs": .count(run.mostActive), "active_runs": .count(run.activeCount),
                        "runs": .names(run.active), "queued_before": .count(run.queuedBefore),
                    ]))
        }
        reasons += ofEngine(run.engine, "the run starts once one is started")
        if reasons.isEmpty {
            reasons.append(
                Hindrance(
                    .runStarting,
                    "The run is queued since \(run.row.queuedAt); the scheduler starts it at its next turn.",
                    ["queued_at": .instant(run.row.queuedAt), "queued_before": .count(run.queuedBefore)]))
        }
        return reasons
    }

    private static func ofRunning(_ run: RunStanding) -> [Hindrance] {
        var reasons = ofDAG(run)
        if let by = run.cancelledBy {
            reasons.append(cancelled(run, by, "what runs cleans up first, and everything else ends without it"))
        }
        if run.toCreate > 0 {
            reasons.append(
                Hindrance(
                    .beingCreated,
                    "Its task instances are being created: \(run.toCreate) of \(run.taskCount) are still to come.",
                    ["to_create": .count(run.toCreate), "tasks": .count(run.taskCount)]))
        }
        return reasons
            + ofEngine(run.engine, "nothing of the run is dispatched, and what waits is not watched, until one is")
    }

    private static func ofEnded(_ run: RunStanding) -> [Hindrance] {
        let state = run.row.state.rawValue
        var reasons: [Hindrance] = []
        if let by = run.cancelledBy { reasons.append(cancelled(run, by, "it has ended as \(state)")) }
        reasons.append(
            Hindrance(
                .runEnded, "The run has ended as \(state)\(run.row.endDate.map { " at \($0)" } ?? "").",
                ["state": .string(state), "end_date": .instant(run.row.endDate)]))
        return reasons
    }

    private static func cancelled(_ run: RunStanding, _ by: String, _ consequence: String) -> Hindrance {
        if by == runTimeout {
            return Hindrance(
                .runTimedOut, "The run was under way for longer than its run_timeout allows: \(consequence).",
                ["start_date": .instant(run.row.startDate)])
        }
        return Hindrance(.runCancelled, "The run was cancelled by \(by): \(consequence).", ["by": .string(by)])
    }

    static func ofDAG(_ run: RunStanding) -> [Hindrance] {
        let dagID = run.row.dagID
        var reasons: [Hindrance] = []
        if run.isPaused {
            reasons.append(
                Hindrance(
                    .dagPaused,
                    """
                    The DAG '\(dagID)' is paused: nothing of it is started or dispatched, and what waits is watched all \
                    the same. 'dags unpause \(dagID)' lets it go on.
                    """, ["dag_id": .string(dagID)]))
        }
        if !run.isActive {
            reasons.append(
                Hindrance(
                    .dagRemoved,
                    """
                    The DAG '\(dagID)' is in no bundle any more: it was removed or renamed, or its bundle cannot be read. \
                    Its code is not there to run.
                    """, ["dag_id": .string(dagID)]))
        }
        return reasons
    }

    static func ofEngine(_ engine: EngineStanding, _ consequence: String) -> [Hindrance] {
        engine.isRunning ? [] : [Hindrance(.noEngine, "No engine is running on this home: \(consequence).")]
    }

    /// Who is missing to run code that is queued.
    static func ofWorkers(_ engine: EngineStanding, queue: String) -> [Hindrance] {
        if !engine.isRunning { return ofEngine(engine, "what is queued is picked up once one is started") }
        let isDefault = engine.bundle == WorkerTerms.defaultBundle
        if engine.workers == 0 {
            let of = isDefault ? "" : " of the bundle '\(engine.bundle)'"
            return [Hindrance(.noWorker, "No worker\(of) is alive: what is queued is picked up once one is.")]
        }
        if let served = engine.servedQueues, !served.contains(queue) {
            return [
                Hindrance(
                    .noWorker,
                    """
                    No worker takes tasks of the queue '\(queue)': those that are alive serve \
                    \(served.sorted().joined(separator: ", ")). Start one with --queues \(queue).
                    """, ["queue": .string(queue), "served": .names(served.sorted())])
            ]
        }
        if let trouble = engine.trouble {
            return [
                Hindrance(
                    .noBundle,
                    """
                    The bundle '\(engine.bundle)' does not come up since \(trouble.since), in \(trouble.count) attempts: \
                    \(trouble.words)
                    """, ["bundle": .string(engine.bundle), "attempts": .count(trouble.count)])
            ]
        }
        if engine.bundles == 0 {
            return [
                Hindrance(
                    .noBundle,
                    """
                    No bundle process is ready: it is being started, or ends as soon as it is. The engine's log says \
                    which.
                    """)
            ]
        }
        return []
    }
}
