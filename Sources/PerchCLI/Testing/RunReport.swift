// SPDX-License-Identifier: Apache-2.0

internal import PerchBundle
internal import PerchExecutor
internal import PerchMetastore
internal import PerchOutputs
internal import PerchSDK
internal import Synchronization

/// Tells a run on standard output as it happens, a line each: what the log of an attempt gets, and what becomes of the
/// tasks.
final class RunReport: AttemptLog {
    /// The tasks that are told of; nil: all.
    private let tasks: Set<String>?
    private let clock: any PerchClock
    private let console: Console
    /// Whether the report goes on. Held while lines are written, so that those of several threads do not overtake each
    /// other.
    private let isOpen = Mutex(true)

    init(tasks: Set<String>?, clock: any PerchClock, console: Console = .shared) {
        self.tasks = tasks
        self.clock = clock
        self.console = console
    }

    func isTold(_ key: TaskInstanceKey) -> Bool { tasks?.contains(key.taskID) ?? true }

    /// Tells nothing more: what the engine does on its way out is nothing of the run's.
    func end() { isOpen.withLock { $0 = false } }

    // MARK: AttemptLog

    func append(_ lines: [LogLine], to key: TaskInstanceKey, tryNumber: Int, worth: LogWorth) {
        guard isTold(key) else { return }
        let texts = lines.flatMap { AttemptLogLine.text(of: $0).split(separator: "\n") }
        write(texts.map { "\(Self.name(key)) \($0)" })
    }

    func flush() async {}

    // MARK: states

    /// Tells that an instance has come into a state.
    func state(_ row: TaskInstanceRow, wait: WaitRow?) {
        guard isTold(row.key), let words = words(row, wait) else { return }
        write(["\(Self.name(row.key)) \(stamp) \(words)"])
    }

    /// Tells something about the run as a whole.
    func say(_ text: String) {
        write(["\(stamp) \(text)"])
    }

    private func words(_ row: TaskInstanceRow, _ wait: WaitRow?) -> String? {
        let reason = row.message.map { ": \($0)" } ?? ""
        switch row.state {
        case .none, .scheduled, .queued: return nil
        case .running, .removed: return row.state.rawValue
        case .deferred: return row.state.rawValue + (wait.map { ": " + Self.words($0) } ?? "")
        case .upForRetry: return row.state.rawValue + (row.retryAt.map { ", again at \($0)" } ?? "") + reason
        case .success:
            return row.state.rawValue + (row.output.map(Self.words) ?? "")
        case .failed, .skipped, .upstreamFailed: return row.state.rawValue + reason
        }
    }

    /// What a task gave; of what is too long to be told its length.
    private static func words(_ output: String) -> String {
        switch OutputText(output) {
        case .value("null"): ""
        case .value(let text): " \(text.shown(200))"
        case .reference(let reference): " (\(reference.size) bytes)"
        case .parts: ""
        }
    }

    private static func words(_ wait: WaitRow) -> String {
        let limit = wait.deadline.map { ", at most until \($0)" } ?? ""
        if let due = wait.due { return "sleeps until \(due)\(limit)" }
        return "waits for \(wait.kind) \(wait.target)\(limit)"
    }

    // MARK: lines

    private static func name(_ key: TaskInstanceKey) -> String {
        key.mapIndex < 0 ? key.taskID : "\(key.taskID)[\(key.mapIndex)]"
    }

    private var stamp: Substring {
        AttemptLogLine.text(of: LogLine(at: clock.now, level: .info, message: "")).prefix { $0 != " " }
    }

    private func write(_ lines: [String]) {
        isOpen.withLock { isOpen in
            guard isOpen else { return }
            do {
                for line in lines { try console.line(SafeText.neutralised(line)) }
                try console.flush()
            } catch {
                // What cannot be written now cannot be at the end either, and is an error there.
            }
        }
    }
}
