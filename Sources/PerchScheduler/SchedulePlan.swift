// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// When runs of one DAG are created: the whole decision, without any I/O.
///
/// A run of a tick is created at it and has the tick as its logical date; its data interval is the time since the tick
/// before. Of ticks that were missed (the engine was down, the DAG was paused) the latest alone is run, or, with
/// catch-up, every one from the DAG's start on.
struct SchedulePlan: Sendable {
    private enum Rule {
        case byHand
        case once
        case continuous
        case ticks(ScheduleTicks)
        /// At ticks that code has told, as far as they are stored.
        case timetable
    }

    private let rule: Rule
    /// How long after its tick a run is created.
    private let delay: TimeSpan
    private let start: Timestamp?
    private let end: Timestamp?
    private let catchup: Bool
    private let maxActiveRuns: Int

    /// Whether a step has to be given the stored ticks.
    var needsTicks: Bool { if case .timetable = rule { true } else { false } }

    /// The plan of a DAG.
    /// - Throws: `PerchError` (`invalid`) for an expression or a time zone that this machine does not know.
    init(_ definition: DAGDefinition) throws(PerchError) {
        switch definition.schedule {
        case .once: rule = .once
        case .continuous: rule = .continuous
        case .timetable: rule = .timetable
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
    ///   - stored: the ticks of a timetable in code, as far as it has told them.
    func step(
        lastScheduled: Timestamp?, planned: Timestamp?, now: Timestamp, unfinished: Int, limit: Int,
        stored: StoredTicks? = nil
    ) -> ScheduleStep {
        var step = ScheduleStep(lastScheduled: lastScheduled)
        switch rule {
        case .byHand: break
        case .once: once(&step, planned: planned, now: now, unfinished: unfinished, limit: limit)
        case .continuous: again(&step, now: now, unfinished: unfinished, limit: limit)
        case .ticks(let ticks):
            tick(&step, ticks, planned: planned, now: now, unfinished: unfinished, limit: limit)
        case .timetable:
            guard let stored else { break }
            tick(&step, .stored(stored), planned: planned, now: now, unfinished: unfinished, limit: limit)
        }
        return step
    }

    private func tick(
        _ step: inout ScheduleStep, _ ticks: ScheduleTicks, planned: Timestamp?, now: Timestamp, unfinished: Int,
        limit: Int
    ) {
        // Ticks are reckoned as if it were earlier; only the instant at which the next one is due is a real one.
        let early = now + TimeSpan(microseconds: -delay.microseconds)
        let plannedTick = planned.map { $0 + TimeSpan(microseconds: -delay.microseconds) }
        var next = firstTick(ticks, after: step.lastScheduled, planned: plannedTick, now: now, early: early)
        while case .tick(let date) = next, date <= end ?? date, date <= early {
            guard step.runs.count < limit else { break }
            guard unfinished + step.runs.count < maxActiveRuns else {
                step.untilRunEnds = true
                break
            }
            let interval = ticks.dataInterval(endingAt: date)
            step.runs.append(
                PlannedRun(logicalDate: date, intervalStart: interval.start, intervalEnd: interval.end))
            step.lastScheduled = date
            next = ticks.known(after: date)
        }
        switch next {
        case .tick(let date): if date <= end ?? date { step.next = date + delay }
        case .never: break
        case .unknown(let instant):
            if end.map({ instant < $0 }) ?? true {
                step.wantedAfter = instant
                // What was planned and is due stays so until it is known whether it is the latest.
                if step.runs.isEmpty { step.next = planned }
            }
        }
    }

    private func once(
        _ step: inout ScheduleStep, planned: Timestamp?, now: Timestamp, unfinished: Int, limit: Int
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
    private func again(_ step: inout ScheduleStep, now: Timestamp, unfinished: Int, limit: Int) {
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
        _ ticks: ScheduleTicks, after lastScheduled: Timestamp?, planned: Timestamp?, now: Timestamp, early: Timestamp
    ) -> NextTick {
        let instant = TimeSpan(microseconds: -1)
        let first: NextTick =
            switch (planned, lastScheduled, start) {
            case (let planned?, _, _): .tick(planned)
            case (nil, let last?, let start?): ticks.known(after: max(last, start + instant))
            case (nil, let last?, nil): ticks.known(after: last)
            case (nil, nil, let start?): ticks.known(after: start + instant)
            // A DAG that does not say since when it is to run begins with the next tick.
            case (nil, nil, nil): ticks.known(after: now)
            }
        guard !catchup, case .tick(let missed) = first, missed <= early else { return first }
        return ticks.latest(from: missed, upTo: min(early, end ?? early))
    }
}

/// A run that a schedule asks for.
struct PlannedRun: Hashable, Sendable {
    var logicalDate: Timestamp
    var intervalStart: Timestamp
    var intervalEnd: Timestamp
}

/// What a schedule says at one moment.
struct ScheduleStep: Hashable, Sendable {
    /// To be created now.
    var runs: [PlannedRun] = []
    /// When to look again; in the past where a bound was reached.
    var next: Timestamp?
    var lastScheduled: Timestamp?
    /// Nothing more happens until a run of the DAG has ended.
    var untilRunEnds = false
    /// Nothing more happens until its timetable has told the ticks after this instant.
    var wantedAfter: Timestamp?
}
