// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DAGsNextExecutionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "next-execution", abstract: "The next instants at which runs of a DAG are created.")

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Option(name: [.customShort("n"), .customLong("number")], help: "How many.") var number = 1
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws {
        try checkedLimit(number, "-n")
        if number > 10_000 { throw ValidationError("-n is \(number); it is at most 10000") }
    }

    func run() async throws {
        let (id, number) = (dag, number)
        let (row, records, schedule, problem) = try await home.withMetastore { home, metastore in
            let definition = try await metastore.read {
                try $0.definition(ofVersion: try $0.knownDAG(id).versionID)
            }
            if case .timetable = definition.schedule, try home.engine() != nil {
                _ = try await TimetableQuestions.wait(metastore) {
                    try $0.knowsTicks(of: id, after: $0.now, count: number)
                }
            }
            return try await metastore.read { snapshot in
                let row = try snapshot.knownDAG(id)
                let definition = try snapshot.definition(ofVersion: row.versionID)
                let ticks = try snapshot.ticks(of: definition)
                let records = try Self.next(number, row, definition, ticks, now: snapshot.now)
                return (row, records, definition.schedule, try snapshot.tickProblem(of: id))
            }
        }
        if let problem { Console.shared.say("note: the timetable of \(id) cannot tell its ticks: \(problem)") }
        if row.isPaused { Console.shared.say("note: \(id) is paused; no run is created until it is unpaused") }
        var listing = Listing(output.format)
        try listing.add(records)
        if case .events = schedule {
            try listing.finish(empty: "runs of \(id) are started by \(schedule.summary ?? "events")")
        } else if case .timetable = schedule, records.isEmpty {
            try listing.finish(
                empty: "no tick of the timetable of \(id) is known: its bundle tells them when an engine runs")
        } else {
            try listing.finish(empty: "no run of \(id) is created by itself any more")
        }
    }

    private static func next(
        _ number: Int, _ row: DAGRow, _ definition: DAGDefinition, _ ticks: ScheduleTicks?, now: Timestamp
    ) throws -> [Record] {
        guard let ticks else {
            return row.nextRunAt.map { [record($0, $0, $0, $0)] } ?? []
        }
        let delay = definition.tickDelay
        let earliest = max(now, definition.start.map { $0 + TimeSpan(microseconds: -1) } ?? now)
        var tick = row.nextRunAt.map { $0 + TimeSpan(microseconds: -delay.microseconds) } ?? ticks.next(after: earliest)
        // Of ticks that were missed, while the DAG was paused or no engine ran, only the latest has its run.
        if !definition.catchup, let missed = tick, missed <= now,
            case .tick(let latest) = ticks.latest(from: missed, upTo: now)
        {
            tick = latest
        }
        var records: [Record] = []
        while records.count < number, let date = tick, date <= definition.end ?? date {
            let interval = ticks.dataInterval(endingAt: date)
            records.append(record(date, date + delay, interval.start, interval.end))
            tick = ticks.next(after: date)
        }
        return records
    }

    private static func record(_ date: Timestamp, _ at: Timestamp, _ start: Timestamp, _ end: Timestamp) -> Record {
        [
            "logical_date": .instant(date), "run_after": .instant(at), "data_interval_start": .instant(start),
            "data_interval_end": .instant(end),
        ]
    }
}
