// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension Hindrance {
    /// Why a task instance does not run, or what it does. Decided by what it is given alone; never empty.
    static func of(_ task: TaskStanding) -> [Hindrance] {
        guard let row = task.row else { return ofUncreated(task) }
        switch row.state {
        case .none: return ofWaiting(task)
        case .scheduled: return ofScheduled(task)
        case .queued: return ofQueue(task, row)
        case .running: return [ofRunning(task, row)]
        case .deferred: return ofDeferred(task, row)
        case .upForRetry: return ofRetry(task, row)
        case .success: return [ended(row, .succeeded, "It succeeded")]
        case .failed: return [ended(row, .failed, "It failed")]
        case .skipped: return [ofSkipped(task, row)]
        case .upstreamFailed: return [ofBlocked(task)]
        case .removed: return [ended(row, .removed, "It was not run, for its task is not in the DAG any more")]
        }
    }

    private static func ofUncreated(_ task: TaskStanding) -> [Hindrance] {
        if let mapping = task.mapping {
            return [
                Hindrance(
                    .beingMapped,
                    """
                    It is mapped over \(Words.count(mapping.length, "element")), and its instances are being created: \
                    \(mapping.created) of them are.
                    """, ["length": .count(mapping.length), "created": .count(mapping.created)])
            ]
        }
        if task.run.row.state == .running, task.run.toCreate > 0 || task.run.cancelledBy == nil {
            let reasons = of(task.run)
            if reasons.contains(where: { $0.kind == .beingCreated }) { return reasons }
            return reasons + [
                Hindrance(.beingCreated, "Its instance is not created yet; that is the engine's next turn.")
            ]
        }
        return of(task.run)
    }

    // MARK: what comes before it

    private static func ofWaiting(_ task: TaskStanding) -> [Hindrance] {
        let verdict = UpstreamVerdict.of(task.task, task.counts) {
            (task.task.teardown?.setups ?? []).compactMap { setup in
                // The setups stand among the upstream tasks, which are in the order of their indexes.
                task.task.upstream.firstIndex(of: setup).flatMap { task.upstream[$0].state }
            }
        }
        if verdict == .ready, task.leaving > 0 {
            return [
                Hindrance(
                    .beingMapped,
                    """
                    It is mapped anew when its instances from before have ended, which were cleared with what it is mapped \
                    over: \(Words.count(task.leaving, "instance")) of them \(task.leaving == 1 ? "has" : "have") not.
                    """, ["leaving": .count(task.leaving)])
            ]
        }
        guard verdict == .wait else {
            let text =
                "Everything that it waits for has ended; what becomes of it is decided at the engine's next turn."
            return ofDAG(task.run) + ofEngine(task.run.engine, "it goes on once one is started") + [
                Hindrance(.ready, text)
            ]
        }
        let pending = task.upstream.filter { !$0.hasEnded }
        let fields: [String: JSONValue] = [
            "trigger_rule": .string(task.task.triggerRule.rawValue),
            "pending": .array(pending.prefix(most).map(\.json)), "pending_count": .count(pending.count),
        ]
        let names = list(pending)
        if task.task.teardown != nil {
            return [
                Hindrance(
                    .teardownWaiting,
                    "It tears down what its setups have made, and waits until everything before it has ended: \(names).",
                    fields)
            ]
        }
        if let decided = decidedEarly(task) {
            return [
                Hindrance(
                    .ruleNotMet,
                    """
                    It cannot run any more, for \(Words.need(task.task.triggerRule)), and \(decided). That is recorded when \
                    the others have ended: \(names).
                    """, fields)
            ]
        }
        return [
            Hindrance(
                .upstreamPending, "It waits for \(names): \(Words.need(task.task.triggerRule)).", fields)
        ]
    }

    /// At most so many tasks are named in fields.
    private static let most = 20

    private static func list(_ tasks: [UpstreamStanding]) -> String {
        let named = tasks.count <= 5 ? tasks : Array(tasks.prefix(4))
        let words = named.map(\.words).joined(separator: ", ")
        return tasks.count > named.count ? words + " and \(tasks.count - named.count) others" : words
    }

    /// Why a task that still waits will not run, however the rest ends; nil where it may.
    private static func decidedEarly(_ task: TaskStanding) -> String? {
        let counts = task.counts
        guard counts.pending > 0, task.task.triggerRule.waitsForAll else { return nil }
        for end in [TaskState.success, .failed, .skipped] {
            var possible = counts
            possible.pending = 0
            if end == .failed { possible.failed += counts.pending }
            if end == .skipped { possible.skipped += counts.pending }
            if UpstreamVerdict.of(task.task, possible, setups: { [] }) == .ready { return nil }
        }
        // By the states that speak against the rule, those that are fewest to tell first.
        let ended = task.upstream.filter { $0.hasEnded }
        if let branch = ended.first(where: { $0.way == .untaken }) { return untaken(branch) }
        if let short = ended.first(where: { $0.way == .cut }) {
            return "'\(short.name)' has cut short what follows it"
        }
        return ended.isEmpty ? nil : list(ended) + " decided that"
    }

    private static func untaken(_ branch: UpstreamStanding) -> String {
        "'\(branch.name)' gave \(branch.output ?? "nothing"), which leads elsewhere"
    }

    // MARK: what ended it without running it

    private static func ofSkipped(_ task: TaskStanding, _ row: TaskInstanceRow) -> Hindrance {
        let at = row.endDate.map { " at \($0)" } ?? ""
        var fields: [String: JSONValue] = ["end_date": .instant(row.endDate)]
        if let message = row.message {
            fields["message"] = .string(message)
            return Hindrance(.skipped, "It was skipped\(at): \(Words.clause(message)).", fields)
        }
        fields["causes"] = .array(task.causes.prefix(most).map(\.json))
        if task.counts.cut > 0, let cause = task.causes.first {
            return Hindrance(
                .shortCircuit,
                "It was skipped\(at): '\(cause.name)' gave \(cause.output ?? "nothing") and cuts short what follows it.",
                fields)
        }
        if let branch = task.upstream.first(where: { $0.way == .untaken }) {
            fields["branch"] = .string(branch.taskID)
            fields["output"] = branch.output.map { .string($0) } ?? .null
            return Hindrance(.branchNotTaken, "It was skipped\(at): \(untaken(branch)).", fields)
        }
        let reason = task.causes.isEmpty ? "" : ", and \(list(task.causes)) decided otherwise"
        let kind: Kind = task.causes.contains { $0.state == .skipped } ? .upstreamSkipped : .ruleNotMet
        return Hindrance(kind, "It was skipped\(at): \(Words.need(task.task.triggerRule))\(reason).", fields)
    }

    private static func ofBlocked(_ task: TaskStanding) -> Hindrance {
        let failed = task.upstream.filter { $0.state == .failed || $0.state == .upstreamFailed }
        let roots = task.causes.filter { cause in !failed.contains { $0.taskID == cause.taskID } }
        var text = "It did not run: "
        text += failed.isEmpty ? "something upstream failed" : list(failed)
        text += ", and \(Words.need(task.task.triggerRule))."
        if !roots.isEmpty { text += " It began with \(Words.names(roots.map(\.taskID)))." }
        if let message = task.causes.first?.message, let cause = task.causes.first {
            text += " '\(cause.name)' failed with: \(Words.clause(message))."
        }
        text += " 'tasks clear --only-failed' runs it again, with what failed."
        return Hindrance(
            .upstreamFailed, text,
            [
                "trigger_rule": .string(task.task.triggerRule.rawValue),
                "failed": .array(failed.prefix(most).map(\.json)),
                "causes": .array(task.causes.prefix(most).map(\.json)),
            ])
    }

    // MARK: pools, limits and the queue

    private static func ofScheduled(_ task: TaskStanding) -> [Hindrance] {
        if task.isHeld { return ofDAG(task.run) + ofEngine(task.run.engine, "it goes on once one is started") }
        guard let gate = task.gate else { return [Hindrance(.ready, "It waits for room before its pool.")] }
        return [of(gate)] + ofEngine(task.run.engine, "nothing that runs can end and make room")
    }

    private static func of(_ gate: GateStanding) -> Hindrance {
        let waiting = gate.name.hasPrefix("deferred:") ? gate.name.dropFirst("deferred:".count) : nil
        let what =
            waiting.map { "The limit of waiting tasks of the pool '\($0)'" }
            ?? (gate.isLimit ? "The limit '\(gate.name)'" : "The pool '\(gate.name)'")
        var fields: [String: JSONValue] = [
            (gate.isLimit ? "limit" : "pool"): .string(gate.name), "slots": gate.capacity.map { .count($0) } ?? .null,
            "used": .count(gate.used), "needed": .count(gate.needed), "ahead": .count(gate.ahead),
            "holders": .array(gate.holders.map(json)), "holder_count": .count(gate.holderCount),
        ]
        if gate.capacity == nil, !gate.isLimit {
            fields["fix"] = .string("pools set \(gate.name) \(max(1, gate.needed))")
            return Hindrance(
                .poolUnknown,
                """
                There is no pool '\(gate.name)': the task waits until there is one. \
                'pools set \(gate.name) \(max(1, gate.needed))' makes it.
                """, fields)
        }
        if let capacity = gate.capacity, gate.needed > capacity {
            return Hindrance(
                gate.isLimit ? .limitFull : .poolTooSmall,
                """
                \(what) has \(Words.count(capacity, "slot")), and the task needs \(gate.needed): it never runs so. \
                'pools set \(gate.name) \(gate.needed)' makes room for it, or fewer pool_slots of the task do.
                """, fields)
        }
        let kind: Kind = gate.isLimit ? .limitFull : .poolFull
        let ahead = gate.ahead == 0 ? "It is the next." : "\(gate.ahead) \(gate.ahead == 1 ? "goes" : "go") before it."
        guard let capacity = gate.capacity else {
            return Hindrance(kind, "\(what) is full: \(gate.used) hold it, \(holders(gate)). \(ahead)", fields)
        }
        let free = capacity - gate.used
        if free >= gate.needed, gate.ahead == 0 {
            return Hindrance(
                .ready, "\(what) has room for it; it is queued at the scheduler's next turn.", fields)
        }
        let held = gate.holderCount == 0 ? "" : ", held by \(holders(gate))"
        let share = "\(gate.used) of \(Words.count(capacity, "slot")) \(gate.used == 1 ? "is" : "are") in use\(held)"
        if free <= 0 { return Hindrance(kind, "\(what) is full: \(share). \(ahead)", fields) }
        let need = gate.needed == 1 ? "" : " The task needs \(gate.needed)."
        return Hindrance(kind, "\(what) has no room for it yet: \(share).\(need) \(ahead)", fields)
    }

    private static func holders(_ gate: GateStanding) -> String {
        let named = gate.holderCount <= 5 ? gate.holders : Array(gate.holders.prefix(4))
        let words = named.map { holder in
            "\(holder.key.dagID) \(holder.key.runID) \(Words.name(holder.key))"
                + (holder.slots > 1 ? " (\(holder.slots))" : "")
        }
        let others = gate.holderCount - words.count
        return words.joined(separator: ", ") + (others > 0 ? " and \(Words.count(others, "other"))" : "")
    }

    private static func json(_ holder: PoolHolder) -> JSONValue {
        .object([
            "dag_id": .string(holder.key.dagID), "run_id": .string(holder.key.runID),
            "task_id": .string(holder.key.taskID), "map_index": .count(holder.key.mapIndex),
            "state": .string(holder.state.rawValue), "slots": .count(holder.slots),
        ])
    }

    private static func ofQueue(_ task: TaskStanding, _ row: TaskInstanceRow) -> [Hindrance] {
        let since = row.queuedAt.map { " since \($0)" } ?? ""
        let before =
            task.queuedBefore == 0
            ? "it is the next that a worker takes" : "\(Words.count(task.queuedBefore, "task")) go before it"
        let queued = Hindrance(
            .queued,
            "It is queued\(since) and not picked up yet: \(before), and \(Words.count(task.running, "task")) run now.",
            [
                "queued_at": .instant(row.queuedAt), "ahead": .count(task.queuedBefore),
                "running": .count(task.running),
            ])
        return ofWorkers(task.run.engine, queue: task.task.queue) + [queued]
    }

    // MARK: what is under way

    private static func ofRunning(_ task: TaskStanding, _ row: TaskInstanceRow) -> Hindrance {
        let since = row.startDate.map { " since \($0)" } ?? ""
        var fields: [String: JSONValue] = [
            "start_date": .instant(row.startDate), "try_number": .count(row.tryNumber),
        ]
        if let cancel = task.cancel {
            fields["by"] = .string(cancel.by)
            fields["reason"] = .string(cancel.reason)
            return Hindrance(
                .cancelling, "It is being cancelled by \(cancel.by) (\(cancel.reason)); its code has not stopped yet.",
                fields)
        }
        return Hindrance(.running, "It runs\(since), try \(row.tryNumber).", fields)
    }

    private static func ofDeferred(_ task: TaskStanding, _ row: TaskInstanceRow) -> [Hindrance] {
        guard let wait = task.wait else { return [Hindrance(.deferred, "It waits.")] }
        var text = "It waits for \(wait.kind) \(wait.target) since \(wait.since) (wait \(wait.waitID))."
        if let due = wait.due { text += " It is due at \(due)." }
        text += wait.deadline.map { " It times out at \($0)." } ?? " It never times out."
        var reasons = [
            Hindrance(
                .deferred, text,
                [
                    "wait_id": .integer(wait.waitID), "kind": .string(wait.kind), "target": .string(wait.target),
                    "since": .instant(wait.since), "due": .instant(wait.due), "deadline": .instant(wait.deadline),
                    "try_number": .count(row.tryNumber),
                ])
        ]
        if task.watcher == nil {
            reasons.append(
                Hindrance(
                    .notWatched,
                    """
                    Nobody watches for it: no triggerer that serves the queue '\(wait.queue)' is running. The wait is \
                    looked at once one is started.
                    """, ["queue": .string(wait.queue)]))
        }
        return reasons
    }

    private static func ofRetry(_ task: TaskStanding, _ row: TaskInstanceRow) -> [Hindrance] {
        var text = "Try \(row.tryNumber) failed\(row.message.map { ": \(Words.clause($0))" } ?? "")."
        let next = row.tryNumber + 1
        if let retryAt = row.retryAt {
            text +=
                retryAt > task.run.now ? " Try \(next) begins at \(retryAt)." : " Try \(next) is due since \(retryAt)."
        }
        return [
            Hindrance(
                .retryDelay, text,
                [
                    "try_number": .count(row.tryNumber), "retry_at": .instant(row.retryAt),
                    "message": row.message.map { .string($0) } ?? .null,
                ])
        ] + ofDAG(task.run) + ofEngine(task.run.engine, "it is tried again once one is started")
    }

    private static func ended(_ row: TaskInstanceRow, _ kind: Kind, _ words: String) -> Hindrance {
        let at = row.endDate.map { " at \($0)" } ?? ""
        let tries = row.tryNumber > 1 ? ", try \(row.tryNumber)" : ""
        return Hindrance(
            kind, "\(words)\(at)\(tries)\(row.message.map { ": \(Words.clause($0))" } ?? "").",
            [
                "end_date": .instant(row.endDate), "try_number": .count(row.tryNumber),
                "message": row.message.map { .string($0) } ?? .null,
            ])
    }
}
