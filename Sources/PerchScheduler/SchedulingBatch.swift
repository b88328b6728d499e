// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// Some DAGs whose next runs are decided in one transaction.
struct SchedulingBatch: Sendable {
    /// A DAG as it was read, with the plan of its runs.
    struct Member: Sendable {
        var row: DAGRow
        var plan: SchedulePlan
    }

    /// What a transaction did.
    struct Outcome: Sendable {
        var created = 0
        /// DAGs that could not be scheduled, and why.
        var failures: [(dagID: String, error: PerchError)] = []
    }

    var members: [Member]
    /// DAGs that have no plan, and why: their stored instant is taken away, so that they do not come up again.
    var unusable: [(row: DAGRow, error: PerchError)]
    var runLimit: Int

    /// How many DAGs are in it.
    var size: Int { members.count + unusable.count }

    /// Creates the runs and stores the instants of the next ones: for each DAG, both or neither.
    func commit(in transaction: Transaction) throws -> Outcome {
        var outcome = Outcome(failures: unusable.map { ($0.row.dagID, $0.error) })
        for (row, _) in unusable { try giveUp(row, in: transaction) }
        for member in members {
            do {
                outcome.created += try schedule(member, limit: runLimit - outcome.created, in: transaction)
            } catch let error as PerchError where Self.isOfTheDAG(error) {
                outcome.failures.append((member.row.dagID, error))
                try giveUp(member.row, in: transaction)
            }
        }
        return outcome
    }

    private func schedule(_ member: Member, limit: Int, in transaction: Transaction) throws -> Int {
        let row = member.row
        // The transaction is full: the DAG comes up again in the next one.
        guard limit > 0 else { return 0 }
        let unfinished = try transaction.activeRuns(dagID: row.dagID)
        // A paused DAG gets its next instant, for people, but no run.
        let step = member.plan.step(
            lastScheduled: row.lastScheduled, planned: row.nextRunAt, now: transaction.now, unfinished: unfinished,
            limit: row.isPaused ? 0 : limit,
            stored: member.plan.needsTicks ? try transaction.storedTicks(of: row.dagID) : nil)
        let isFirst = try transaction.setNextRun(
            of: row, to: step.next, lastScheduled: step.lastScheduled, untilRunEnds: step.untilRunEnds,
            untilTicksCome: step.wantedAfter != nil)
        guard isFirst else { return 0 }
        if let instant = step.wantedAfter { try transaction.wantTicks(of: row.dagID, after: instant) }
        var created = 0
        do {
            for run in step.runs where try create(run, of: row.dagID, in: transaction) { created += 1 }
        } catch let error as PerchError where Self.isOfTheDAG(error) {
            // The row is again what it was when it was read: by that it is given up.
            var stored = row
            (stored.nextRunAt, stored.lastScheduled) = (step.next, step.lastScheduled)
            _ = try transaction.setNextRun(of: stored, to: row.nextRunAt, lastScheduled: row.lastScheduled)
            throw error
        }
        return created
    }

    /// Whether an error is the fault of the DAG alone, and no reason to take back what the transaction did for others.
    private static func isOfTheDAG(_ error: PerchError) -> Bool { error.code == .invalid || error.code == .notFound }

    private func create(_ run: PlannedRun, of dagID: String, in transaction: Transaction) throws -> Bool {
        var request = RunRequest(dagID: dagID, type: .scheduled)
        request.logicalDate = run.logicalDate
        request.dataIntervalStart = run.intervalStart
        request.dataIntervalEnd = run.intervalEnd
        do {
            _ = try transaction.createRun(request)
            return true
        } catch let error as PerchError where error.code == .conflict {
            // The tick has its run already, from before the schedule was changed and changed back.
            return false
        }
    }

    private func giveUp(_ row: DAGRow, in transaction: Transaction) throws {
        _ = try transaction.setNextRun(of: row, to: nil, lastScheduled: row.lastScheduled)
    }
}
