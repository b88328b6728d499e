// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Where a walk over the waits for an end stands.
private struct RunEndPlace {
    /// The place of the last wait that was told; nil before the first.
    var after: (key: Int64, waitID: Int64)?
    /// Waits that came later than this one are none of its business.
    var lastWait = Int64.max
}

extension Transaction {
    /// The run or task that a wait is for.
    /// - Throws: `invalid` where its definition cannot be read, or where it would wait for itself.
    func aim(of wait: NewWait) throws -> RunAim {
        let aim = try RunAim(json: wait.trigger.definition)
        if let problem = aim.problems.first { throw PerchError(.invalid, "the wait for a run: \(problem)") }
        let facts = try facts(ofRun: wait.instance.runKey)
        guard aim.dagID == facts.row.dagID else { return aim }
        let isOwnRun: Bool
        if case .id(let runID) = aim.selection {
            isOwnRun = runID == facts.row.runID
        } else {
            isOwnRun = aim.selection == .sameDate
        }
        let isOwnTask = aim.taskID.map { $0 == facts.version.tasks[wait.instance.taskIndex].taskID } ?? true
        let isOwnInstance = aim.mapIndex.map { $0 == wait.instance.mapIndex } ?? true
        if isOwnRun, isOwnTask, isOwnInstance {
            throw PerchError(
                .invalid,
                "the task waits for \(aim.taskID == nil ? "its own run" : "itself"), which cannot end before it has")
        }
        return aim
    }

    /// Looks whether what a wait that has just been registered is for has ended already.
    func look(_ waitID: Int64, _ aim: RunAim, of instance: Instance, in settlement: Settlement) throws {
        hasRunWaits = true
        isEdgeWaitedFor[Self.edgeKey(aim.dagID, isTask: aim.taskID != nil)] = true
        if case .next = aim.selection {
            settlement.reached.registeredForNext(waitID)
            return
        }
        let standing = try standing(aim, from: facts(ofRun: instance.runKey).row.logicalDate)
        var failure: Firing?
        for (end, _) in standing {
            guard let end, let verdict = aim.verdict(of: end) else { continue }
            let firing = try firing(waitID, end, aim, verdict)
            if verdict.isAllowed {
                settlement.reached.fire(firing)
                return
            }
            failure = firing
        }
        // Of several runs of one date one that goes on may still end as it should.
        if let failure, standing.allSatisfy({ $0.end != nil }) { settlement.reached.fire(failure) }
    }

    private func firing(
        _ waitID: Int64, _ end: RunEvent, _ aim: RunAim, _ verdict: (isAllowed: Bool, sentence: String)
    ) throws -> Firing {
        var end = end
        if verdict.isAllowed, aim.givesOutput {
            do {
                end.output = try output(of: end)
            } catch let error as PerchError where error.code == .unavailable {
                return Firing(waitID: waitID, outcome: .broken(error.message), by: "engine")
            }
        }
        let outcome: WaitOutcome =
            verdict.isAllowed ? .event(end.json) : .broken(verdict.sentence + ", so the wait for it cannot be met")
        return Firing(waitID: waitID, outcome: outcome, by: "engine")
    }

    /// What the task that has ended gave; nil where that is no output of a whole task.
    private func output(of end: RunEvent) throws -> JSONValue? {
        guard let taskID = end.taskID, end.mapIndex == nil, let run = try run(dagID: end.dagID, runID: end.runID) else {
            return nil
        }
        let version = try version(run.versionID)
        guard let index = version.tasks.firstIndex(where: { $0.taskID == taskID }) else { return nil }
        return try JSONValue(
            parsing: value(ofOutput: output(runKey: run.runKey, version: version, taskIndex: index)))
    }

    /// Fires the waits for what has ended, each in its turn: what that ends is told in the next turn of `settle`.
    func fireRunWaits(in settlement: Settlement) throws {
        for firing in settlement.reached.takeStanding() {
            // No triggerer has heard of it yet.
            _ = try fire(firing, isByOwner: true, in: settlement)
        }
        let ends = settlement.reached.takeEnds()
        guard !ends.isEmpty, try isAnyRunWaitedFor() else { return }
        for end in ends {
            let facts = try facts(ofRun: end.runKey)
            guard try isWaitedFor(Self.edgeKey(facts.row.dagID, isTask: end.taskIndex >= 0)) else { continue }
            let event = RunEvent(
                dagID: facts.row.dagID, runID: facts.row.runID, logicalDate: facts.row.logicalDate,
                taskID: end.taskIndex < 0 ? nil : facts.version.tasks[end.taskIndex].taskID,
                mapIndex: end.mapIndex < 0 ? nil : end.mapIndex, state: end.state, endedAt: now)
            guard let place = try fireWaits(for: event, from: RunEndPlace(), end, in: settlement) else { continue }
            try run(
                "INSERT INTO run_end (run_end_id, event, after_key, after_wait, last_wait) VALUES (:1, :2, :3, :4, :5)",
                try nextID(), event.json.text, place.after?.key ?? .min, place.after?.waitID ?? 0, lastRegisteredWait())
            ring(.runs)
        }
    }

    /// The number by which the waits for ends of a DAG's runs, or of its tasks, are found.
    static func edgeKey(_ dagID: String, isTask: Bool) -> Int64 {
        ContentHash.targetKey(kind: RunAim.kind, target: isTask ? "\(dagID)/" : dagID)
    }

    /// One look-up for each DAG of a transaction: ends of what nobody waits for cost no more.
    private func isWaitedFor(_ edgeKey: Int64) throws -> Bool {
        if let known = isEdgeWaitedFor[edgeKey] { return known }
        let found = try number("SELECT 1 FROM wait WHERE edge_key = :1 LIMIT 1", edgeKey) != nil
        isEdgeWaitedFor[edgeKey] = found
        return found
    }

    /// One look-up a transaction, so that ends cost nothing where nobody waits for any.
    private func isAnyRunWaitedFor() throws -> Bool {
        if let hasRunWaits { return hasRunWaits }
        let found = try number("SELECT 1 FROM wait WHERE edge_key IS NOT NULL LIMIT 1") != nil
        hasRunWaits = found
        return found
    }

    /// Fires the waits for an end, up to what the settlement has left. Gives where to go on; nil where all were told.
    private func fireWaits(
        for event: RunEvent, from place: RunEndPlace, _ end: ReachedEnds.End?, in settlement: Settlement
    ) throws -> RunEndPlace? {
        let targets = RunAim.targets(of: event)
        let keys = targets.map { ContentHash.targetKey(kind: RunAim.kind, target: $0) }
        let most = settlement.reached.firesLeft
        let waits = try rows(
            """
            SELECT wait_id, target_key, target, definition FROM wait
            WHERE edge_key IS NOT NULL AND target_key IN (:1, :2, :3) AND wait_id <= :6
                AND (target_key > :4 OR target_key = :4 AND wait_id > :5)
            ORDER BY target_key, wait_id LIMIT :7
            """, keys[0], keys[1], keys[2], place.after?.key ?? .min, place.after?.waitID ?? 0, place.lastWait,
            most + 1
        ) { (waitID: $0.int64(0), key: $0.int64(1), target: $0.text(2), definition: $0.text(3)) }
        var place = place
        for wait in waits.prefix(most) {
            settlement.reached.firesLeft -= 1
            place.after = (wait.key, wait.waitID)
            // Two targets may have one key.
            guard targets.contains(wait.target), end.map({ settlement.reached.concerns($0, wait.waitID) }) ?? true
            else { continue }
            let firing: Firing
            do {
                let aim = try RunAim(parsing: wait.definition)
                guard let verdict = aim.verdict(of: event) else { continue }
                firing = try self.firing(wait.waitID, event, aim, verdict)
            } catch let error as PerchError where error.code == .invalid {
                // It must not hold up the run that has ended, nor those who wait for it too.
                firing = Firing(waitID: wait.waitID, outcome: .broken(error.message), by: "engine")
            }
            _ = try fire(firing, isByOwner: false, in: settlement)
        }
        return waits.count > most ? place : nil
    }

    /// Goes on with ends for which more waited than one transaction fires.
    func continueRunEnds(_ left: inout Int) throws {
        while left > 0 {
            let unfinished = try first(
                "SELECT run_end_id, event, after_key, after_wait, last_wait FROM run_end ORDER BY run_end_id LIMIT 1"
            ) { row in
                (
                    id: row.int64(0), event: try row.json(1).decode(RunEvent.self),
                    place: RunEndPlace(after: (row.int64(2), row.int64(3)), lastWait: row.int64(4))
                )
            }
            guard let unfinished else { return }
            let settlement = Settlement()
            settlement.reached.firesLeft = min(settlement.reached.firesLeft, max(1, left / 5))
            let before = settlement.reached.firesLeft
            let place = try fireWaits(for: unfinished.event, from: unfinished.place, nil, in: settlement)
            left -= 5 * (before - settlement.reached.firesLeft) + 1
            if let after = place?.after {
                try run(
                    "UPDATE run_end SET after_key = :2, after_wait = :3 WHERE run_end_id = :1", unfinished.id,
                    after.key,
                    after.waitID)
            } else {
                try run("DELETE FROM run_end WHERE run_end_id = :1", unfinished.id)
            }
            try settle(settlement)
        }
    }
}

extension RunEvent {
    /// The coded event, as `JSONValue(encoding:)` gives it.
    var json: JSONValue {
        var members: [String: JSONValue] = [
            "dag_id": .string(dagID), "run_id": .string(runID), "logical_date": .integer(logicalDate.microseconds),
            "state": .string(state.rawValue), "ended_at": .integer(endedAt.microseconds),
        ]
        if let taskID { members["task_id"] = .string(taskID) }
        if let mapIndex { members["map_index"] = .integer(Int64(mapIndex)) }
        if let output { members["output"] = output }
        return .object(members)
    }
}
