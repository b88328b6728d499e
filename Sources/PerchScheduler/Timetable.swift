// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// When runs of one DAG are created: the whole decision, without any I/O.
///
/// A run of a tick is created at it and has the tick as its logical date; its data interval is the time since the tick
/// before. Of ticks that were missed (the engine was down, the DAG was paused) the latest alone is run, or, with
/// catch-up, every one from the DAG's start on.
struct Timetable: Sendable {
    private enum Rule {
        case byHand
        case once
        case continuous
        case ticks(ScheduleTicks)
    }

    private let rule: Rule
    /// How long after its tick a run is created.
    private let delay: TimeSpan
    private let start: Timestamp?
    private let end: Timestamp?
    private let catchup: Bool
    private let maxActiveRuns: Int

    /// The timetable of a DAG.
    /// - Throws: `PerchError` (`invalid`) for an expression or a time zone that this machine does not know.
    init(_ definition: DAGDefinition) throws(PerchError) {
        switch definition.schedule {
        case .once: rule = .once
        case .continuous: rule = .continuous
        // What events start is no matter of time.
        case .none, .cron, .every, .events:
            rule = try definition.ticks().map { .ticks($0) } ?? .byHand
        }
        delay = definition.tickDelay
        start = definition.start
        end = definition.end
        catchup = definition.catchup
        maxActiveRuns = max(1, definition.maxActiveRuns)
    }

    /// What is to be done now.
    ///
    /// - Parameters:
    ///   - lastScheduled: the logical date of the last scheduled run.
    ///   - planned: the stored instant of the next run; nil where none is stored.
    ///   - unfinished: how many runs of the DAG have not ended.
    ///   - limit: how many runs may be created in this step; what is left stays due. 0 asks for the next instant only.
    func step(
        lastScheduled: Timestamp?, planned: Timestamp?, now: Timestamp, unfinished: Int, limit: Int
    ) -> TimetableStep {
        var step = TimetableStep(lastScheduled: lastScheduled)
        switch rule {
        case .byHand: break
        case .once: once(&step, planned: planned, now: now, unfinished: unfinished, limit: limit)
        case .continuous: again(&step, now: now, unfinished: unfinished, limit: limit)
        case .ticks(let ticks):
            // Ticks are reckoned as if it were earlier; only the instant at which the next one is due is a real one.
            let now = now + TimeSpan(microseconds: -delay.microseconds)
            let planned = planned.map { $0 + TimeSpan(microseconds: -delay.microseconds) }
            var tick = firstTick(ticks, after: lastScheduled, planned: planned, now: now)
            while let date = tick, date <= end ?? date, date <= now {
                guard step.runs.count < limit else { break }
                guard unfinished + step.runs.count < maxActiveRuns else {
                    step.untilRunEnds = true
                    break
                }
                let interval = ticks.dataInterval(endingAt: date)
                step.runs.append(
                    PlannedRun(logicalDate: date, intervalStart: interval.start, intervalEnd: interval.end))
                step.lastScheduled = date
                tick = ticks.next(after: date)
            }
            if let date = tick, date <= end ?? date { step.next = date + delay }
        }
        return step
    }

    private func once(
        _ step: inout TimetableStep, planned: Timestamp?, now: Timestamp, unfinished: Int, limit: Int
    ) {
        let date = start ?? planned ?? now
        guard step.lastScheduled == nil, date <= end ?? date else { return }
        guard date <= now, limit > 0 else {
            step.next = date
            return
        }
        guard unfinished < maxActiveRuns else {
            step.next = date
            step.untilRunEnds = true
            return
        }
        step.runs = [PlannedRun(logicalDate: date, intervalStart: date, intervalEnd: date)]
        step.lastScheduled = date
    }

    /// A new run when every other run has ended.
    private func again(_ step: inout TimetableStep, now: Timestamp, unfinished: Int, limit: Int) {
        if let start, start > now {
            step.next = start <= end ?? start ? start : nil
            return
        }
        // Two runs may not have the same logical date, however fast the first one ended.
        let date = max(now, step.lastScheduled.map { $0 + TimeSpan(microseconds: 1) } ?? now)
        guard date <= end ?? date else { return }
        guard limit > 0 else {
            step.next = now
            return
        }
        step.untilRunEnds = true
        guard unfinished == 0 else { return }
        step.runs = [PlannedRun(logicalDate: date, intervalStart: step.lastScheduled ?? date, intervalEnd: date)]
        step.lastScheduled = date
    }

    /// The first tick that is still to be run: one that is due, or the next one to come.
    private func firstTick(
        _ ticks: ScheduleTicks, after lastScheduled: Timestamp?, planned: Timestamp?, now: Timestamp
    ) -> Timestamp? {
        var first = planned
        if first == nil {
            let instant = TimeSpan(microseconds: -1)
            switch (lastScheduled, start) {
            case (let last?, let start?): first = ticks.next(after: max(last, start + instant))
            case (let last?, nil): first = ticks.next(after: last)
            case (nil, let start?): first = ticks.next(after: start + instant)
            // A DAG that does not say since when it is to run begins with the next tick.
            case (nil, nil): first = ticks.next(after: now)
            }
        }
        guard !catchup, let missed = first, missed <= now else { return first }
        let limit = min(now, end ?? now)
        return max(missed, ticks.previous(before: limit + TimeSpan(microseconds: 1)) ?? missed)
    }
}

/// A run that a timetable asks for.
struct PlannedRun: Hashable, Sendable {
    var logicalDate: Timestamp
    var intervalStart: Timestamp
    var intervalEnd: Timestamp
}

/// What a timetable says at one moment.
struct TimetableStep: Hashable, Sendable {
    /// To be created now.
    var runs: [PlannedRun] = []
    /// When to look again; in the past where a bound was reached.
    var next: Timestamp?
    var lastScheduled: Timestamp?
    /// Nothing more happens until a run of the DAG has ended.
    var untilRunEnds = false
}
