// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchBundle
internal import PerchExecutor
internal import PerchMetastore
internal import PerchSDK

struct TasksLogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "The log of one attempt, with its waits.")

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Argument(help: "The run's id.", completion: .runs) var run: String
    @Argument(help: "The task's id.", completion: .tasks) var task: String
    @Option(name: .long, help: "The instance of a mapped task.") var mapIndex = -1
    @Option(name: .customLong("try"), help: "Which try. Default: the latest.") var tryNumber: Int?
    @Flag(name: .long, help: "Go on until the task has ended.") var follow = false
    @OptionGroup var home: HomeOption
    @Option(
        name: [.customShort("o"), .customLong("output")],
        help: "How the lines are written: json or yaml, an object each; table or plain, as they stand in the log.")
    var format: OutputFormat = .table

    func validate() throws {
        if follow, isRecords { throw ValidationError("--follow writes lines as they come: it goes with -o plain") }
        if mapIndex < -1 { throw ValidationError("--map-index is \(mapIndex); it is a number from 0") }
        if let tryNumber { try checkedLimit(tryNumber, "--try") }
    }

    private var isRecords: Bool { format == .json || format == .yaml }

    func run() async throws {
        let key = TaskInstanceKey(dagID: dag, runID: run, taskID: task, mapIndex: mapIndex)
        let (tryNumber, follow) = (tryNumber, follow)
        try await home.withMetastore { home, metastore in
            let shared = try SharedLogs(home, metastore)
            let changes = try ChangeWatch(paths: [home.paths.database + "-wal"])
            var reader: LogReader?
            var shown: [String] = []
            while true {
                // The state is read first: what was written before the end is in the log then.
                let attempt = try await metastore.read { try AttemptView(key, tryNumber, $0) }
                if shared != nil, attempt.hasJustEnded { ChangeWatch.pause(milliseconds: 200) }
                let path = home.paths.logs + "/" + AttemptLogPath.file(of: key, tryNumber: attempt.tryNumber)
                if reader == nil, attempt.source != .rows, attempt.tryNumber > 0 {
                    reader = try await LogReader.of(attempt, path, shared)
                    // A log that is begun late begins with what the metastore told before.
                    if attempt.source == .file { try await reader?.skip(shown) }
                }
                if isRecords { return try LogRecords.show(attempt.whole(try await reader?.lines()), format) }
                // What code that watched has said stands between the beginning of the wait and its end.
                if attempt.source == .rowsAroundFile { try Self.show(attempt.lines.prefix(1), &shown) }
                try await reader?.copyNew(to: .shared)
                if reader == nil || attempt.source == .rowsAroundFile { try Self.show(attempt.lines[...], &shown) }
                try Console.shared.flush()
                guard follow, !attempt.isOver else {
                    if let nothing = attempt.nothing(hasFile: reader != nil || !shown.isEmpty) {
                        let id = attempt.row.taskInstanceID
                        let worker = try await shared?.metastore.read { try $0.workerName(of: id) } ?? nil
                        Console.shared.say(nothing + (worker.map { "; it runs at the worker \($0)" } ?? ""))
                    }
                    return
                }
                if reader != nil { changes.add(path) }
                changes.wait()
            }
        }
    }

    /// Shows the lines that have not been shown yet.
    private static func show(_ lines: ArraySlice<String>, _ shown: inout [String]) throws {
        for line in lines.dropFirst(shown.count) {
            try Console.shared.line(SafeText.neutralised(line))
            shown.append(line)
        }
    }
}
