// SPDX-License-Identifier: Apache-2.0

internal import PerchBundle
internal import PerchExecutor
internal import PerchMetastore
internal import PerchSDK

/// What the metastore has of one attempt: what is needed to find its log, and the log itself of one that said nothing.
struct AttemptView: Sendable {
    let row: TaskInstanceRow
    let tryNumber: Int
    /// Where its log is.
    let source: Source
    /// The log of a pure sensor, or of code that has said nothing, made of their rows.
    let lines: [String]
    private let readAt: Timestamp

    enum Source {
        /// A pure sensor's is made of its rows.
        case rows
        /// Code's is its file, once it has said something.
        case file
        /// A sensor's that code of the bundle watched for: what that said is in a file.
        case rowsAroundFile
    }

    /// - Parameter withPast: Whether what the metastore tells of code that has said nothing is wanted.
    init(_ key: TaskInstanceKey, _ wanted: Int?, _ snapshot: Snapshot, withPast: Bool = true) throws {
        let run = try snapshot.knownRun(key.dagID, key.runID)
        guard let row = try snapshot.taskInstance(key) else { throw try Self.unknown(key, run, snapshot) }
        if let wanted, wanted > row.tryNumber {
            throw PerchError(
                .notFound, "task \(key.taskID) of run \(key.runID) has no try \(wanted); its latest is \(row.tryNumber)"
            )
        }
        self.row = row
        tryNumber = wanted ?? row.tryNumber
        readAt = snapshot.now
        let definition = try snapshot.definition(ofVersion: run.versionID)
        guard definition.tasks.indices.contains(row.taskIndex),
            case .sensor(let sensor) = definition.tasks[row.taskIndex].kind
        else {
            source = .file
            lines = withPast ? try Self.codeLines(row, tryNumber, snapshot) : []
            return
        }
        source = HostedKind.isHosted(sensor.trigger.kind) ? .rowsAroundFile : .rows
        lines = try Self.sensorLines(row, tryNumber, snapshot)
    }

    /// Every line that there is by now, given those of the log.
    func whole(_ file: [String]?) -> [String] {
        switch source {
        case .rows: return lines
        case .file:
            // A log that is begun late begins with what the metastore told before.
            return file ?? lines
        case .rowsAroundFile: return lines.prefix(1) + (file ?? []) + lines.dropFirst(1)
        }
    }

    /// The log's name in the metastore.
    var log: LogID { LogID(taskInstanceID: row.taskInstanceID, tryNumber: tryNumber) }

    /// Whether what its worker has sent last may be on its way.
    var hasJustEnded: Bool {
        guard isOver, tryNumber == row.tryNumber, let end = row.endDate else { return false }
        return readAt - end < .seconds(2)
    }

    /// Whether nothing is added to this attempt any more.
    var isOver: Bool { row.state.isFinished || row.state == .upForRetry || tryNumber < row.tryNumber }

    /// What to say where there is no log.
    func nothing(hasFile: Bool) -> String? {
        guard !hasFile else { return nil }
        if tryNumber == 0 { return "note: the task has not been tried yet (\(row.state.rawValue))" }
        return "note: try \(tryNumber) has no log (\(row.state.rawValue)\(row.message.map { ": \($0)" } ?? ""))"
    }

    private static func codeLines(_ row: TaskInstanceRow, _ tryNumber: Int, _ snapshot: Snapshot) throws -> [String] {
        let journal = try snapshot.journalledWaits(taskInstanceID: row.taskInstanceID, tryNumber: tryNumber)
        var past = try AttemptPast.lines(journal)
        if !past.isEmpty, tryNumber == row.tryNumber, row.state.isFinished, let instant = row.endDate {
            past.append(LogLine(at: instant, level: .info, message: row.message ?? row.state.rawValue))
        }
        return past.flatMap { AttemptLogLine.text(of: $0).split(separator: "\n").map(String.init) }
    }

    private static func sensorLines(
        _ row: TaskInstanceRow, _ tryNumber: Int, _ snapshot: Snapshot
    ) throws -> [String] {
        var lines: [String] = []
        let journal = try snapshot.journalledWaits(taskInstanceID: row.taskInstanceID, tryNumber: tryNumber)
        for entry in journal where entry.kind == .wait {
            let trigger = try JSONValue(parsingEnvelope: entry.payload)
            lines.append("\(entry.recordedAt) info waits for \(text(trigger["kind"])) \(text(trigger["target"]))")
            if let outcome = entry.outcome {
                let instant = entry.firedAt ?? entry.recordedAt
                lines.append("\(instant) info \(try sentence(WaitOutcome(json: JSONValue(parsingEnvelope: outcome))))")
            }
        }
        guard tryNumber == row.tryNumber else { return lines }
        if journal.isEmpty {
            let waits = WaitFilter.of(row.key)
            for wait in try snapshot.waits(waits) {
                lines.append("\(wait.since) info waits for \(wait.kind) \(wait.target)")
            }
        }
        if row.state.isFinished || row.state == .upForRetry, let instant = row.endDate {
            lines.append("\(instant) info ended as \(row.state.rawValue)\(row.message.map { ": \($0)" } ?? "")")
        }
        return lines
    }

    private static func sentence(_ outcome: WaitOutcome) -> String {
        switch outcome {
        case .event(let payload): "fired: \(payload.text)"
        case .timeout: "timed out"
        case .cancelled(let intent): "cancelled by \(intent.by) (\(intent.reason))"
        case .broken(let message): "cannot fire: \(message)"
        }
    }

    private static func text(_ value: JSONValue?) -> String {
        guard case .string(let text)? = value else { return "?" }
        return text
    }

    private static func unknown(_ key: TaskInstanceKey, _ run: RunRow, _ snapshot: Snapshot) throws -> PerchError {
        let instances = try snapshot.taskInstances(runKey: run.runKey).map(\.key)
        let indexes = instances.filter { $0.taskID == key.taskID }.map(\.mapIndex).sorted()
        if let first = indexes.first, let last = indexes.last {
            let right = first == -1 ? "it is not mapped" : "give --map-index \(first) to \(last)"
            let wrong = key.mapIndex < 0 ? "is mapped" : "has no instance \(key.mapIndex)"
            return PerchError(.notFound, "task \(key.taskID) of run \(key.runID) \(wrong); \(right)")
        }
        if instances.isEmpty {
            return PerchError(.notFound, "run \(key.runID) of \(key.dagID) has not begun; its tasks have no logs yet")
        }
        _ = try snapshot.knownTask(key.taskID, of: run)
        return PerchError(
            .notFound, "task \(key.taskID) of run \(key.runID) has not begun; it has no log yet")
    }
}

extension WaitFilter {
    /// The waits of one task instance.
    fileprivate static func of(_ key: TaskInstanceKey) -> WaitFilter {
        var filter = WaitFilter()
        filter.dagID = key.dagID
        filter.runID = key.runID
        filter.taskID = key.taskID
        return filter
    }
}
