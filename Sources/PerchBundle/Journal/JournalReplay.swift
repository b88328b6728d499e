// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// The replay of one dispatch against the journal of its try: decides for every call of the task's code whether the
/// journal answers it, whether it is new, or whether it may not be.
///
/// It is a value without I/O. A key is the scope, the name and the occurrence in the order of calls; a step that failed
/// leaves no record and gives its occurrence back, so that trying it again in the same body is the same step.
struct JournalReplay {
    enum StepDecision: Equatable {
        /// The journal has the result.
        case recorded(String)
        /// The step is to be done, and recorded under this key.
        case perform(key: String)
    }

    enum WaitDecision: Equatable {
        case event(payload: String)
        case timeout
        /// The wait is new: the attempt unwinds with `Suspension`.
        case suspend(key: String)
        case cancelled(CancelNotice)
        case broken(message: String)
    }

    /// The wait at which the attempt unwinds.
    struct SuspendedWait: Equatable {
        var key: String
        var trigger: TriggerSpec
        var timeout: TimeSpan?
    }

    private struct Entry {
        var recorded: RecordedEntry
        var isUsed = false
    }

    private var entries: [String: Entry] = [:]
    private var order: [String] = []
    private var counts: [String: Int] = [:]
    /// Steps under way: scope and name, and the key.
    private var inFlight: [(name: String, key: String)] = []
    /// Set once: every later call throws `Suspension` again.
    private(set) var suspended: SuspendedWait?
    /// Set once: new waits throw `TaskCancelled`.
    private(set) var cancel: CancelNotice?
    /// Set once: the engine has given the dispatch to another.
    private(set) var isRefused = false

    init(journal: [RecordedEntry] = [], cancel: CancelNotice? = nil) {
        for entry in journal {
            entries[entry.key] = Entry(recorded: entry)
            order.append(entry.key)
        }
        self.cancel = cancel
    }

    // MARK: Steps

    mutating func beginStep(_ name: String, scope: [String]) throws -> StepDecision {
        try checkOpen()
        let full = Self.full(name, scope)
        guard !inFlight.contains(where: { $0.name == full }) else { throw AmbiguousStep(name: full) }
        let key = nextKey(full)
        guard let entry = entries[key] else {
            inFlight.append((full, key))
            return .perform(key: key)
        }
        guard entry.recorded.kind == .step else {
            throw JournalMismatch(key: key, recorded: Self.words(entry.recorded), requested: "a step")
        }
        entries[key]?.isUsed = true
        return .recorded(entry.recorded.payload)
    }

    /// The result is durable.
    mutating func stepRecorded(_ key: String) { inFlight.removeAll { $0.key == key } }

    /// The body threw, so there is nothing to record.
    mutating func stepFailed(_ key: String) {
        guard let index = inFlight.firstIndex(where: { $0.key == key }) else { return }
        counts[inFlight[index].name, default: 1] -= 1
        inFlight.remove(at: index)
    }

    // MARK: Waits

    mutating func beginWait(
        _ name: String, scope: [String], for trigger: TriggerSpec, timeout: TimeSpan?
    ) throws -> WaitDecision {
        try checkOpen()
        let full = Self.full(name, scope)
        if let other = inFlight.first {
            throw ConcurrentWait(wait: "\(full)#\(counts[full, default: 0])", inFlight: other.key)
        }
        let key = nextKey(full)
        if let entry = entries[key] {
            try check(trigger, against: entry.recorded)
            entries[key]?.isUsed = true
            switch entry.recorded.outcome {
            case .event(let payload): return .event(payload: payload)
            case .timeout: return .timeout
            case .cancelled(let notice):
                if cancel == nil { cancel = notice }
                return .cancelled(notice)
            case .broken(let message): return .broken(message: message)
            case nil: break
            }
        }
        if let cancel { return .cancelled(cancel) }
        suspended = SuspendedWait(key: key, trigger: trigger, timeout: timeout)
        return .suspend(key: key)
    }

    private func check(_ trigger: TriggerSpec, against recorded: RecordedEntry) throws {
        let isSame = recorded.kind == .wait && Self.kindAndTarget(of: recorded) == (trigger.kind, trigger.target)
        guard isSame else {
            throw JournalMismatch(
                key: recorded.key, recorded: Self.words(recorded),
                requested: "a '\(trigger.kind)' wait for \(trigger.target)")
        }
    }

    // MARK: Cancel and end

    mutating func beginCancel(_ notice: CancelNotice) {
        if cancel == nil { cancel = notice }
    }

    mutating func refuse() { isRefused = true }

    /// How the dispatch ends, given how its code ended.
    enum End: Equatable {
        case deferred(SuspendedWait)
        case outcome(AttemptOutcome)
    }

    func end(_ result: Result<TaskOutput, any Error>) -> End {
        if cancel != nil { return .outcome(.cancelled) }
        if let suspended {
            if case .failure(let error) = result, error is Suspension { return .deferred(suspended) }
            let swallowed = SwallowedSuspension(key: suspended.key).description
            guard case .failure(let error) = result else {
                return .outcome(.failure(message: swallowed, retryable: false))
            }
            return .outcome(.failure(message: "\(swallowed) (it ended with: \(error))", retryable: false))
        }
        switch result {
        case .success(let output):
            if let mismatch = leftOver() { return .outcome(.failure(message: mismatch, retryable: true)) }
            return .outcome(.success(output: output.json, items: output.items))
        case .failure(let error):
            return .outcome(Self.outcome(of: error))
        }
    }

    /// What the journal holds that the code did not ask for.
    private func leftOver() -> String? {
        let left = order.filter { key in entries[key].map { !$0.isUsed && !$0.recorded.isKept } ?? false }
        guard let first = left.first, let entry = entries[first] else { return nil }
        let others = left.count > 1 ? " (and \(left.count - 1) more)" : ""
        return JournalMismatch(
            key: first, recorded: Self.words(entry.recorded) + others, requested: "nothing: it ended without it"
        ).description
    }

    static func outcome(of error: any Error) -> AttemptOutcome {
        switch error {
        case let skip as SkipTask: .skipped(message: skip.message)
        case let decided as any RetryDeciding:
            switch decided.retry {
            case .usual: .failure(message: String(describing: error), retryable: true)
            case .never: .failure(message: String(describing: error), retryable: false)
            // A delay below zero is none.
            case .after(let delay):
                .failure(
                    message: String(describing: error), retryable: true, retryAfter: TimeSpan(max(delay, .zero)))
            }
        case is AmbiguousStep, is ConcurrentWait: .failure(message: String(describing: error), retryable: false)
        default: .failure(message: String(describing: error), retryable: true)
        }
    }

    // MARK: Words and keys

    private func checkOpen() throws {
        if isRefused { throw StaleDispatch() }
        if let suspended { throw Suspension(key: suspended.key) }
    }

    private mutating func nextKey(_ full: String) -> String {
        let occurrence = counts[full, default: 0]
        counts[full] = occurrence + 1
        return "\(full)#\(occurrence)"
    }

    private static func full(_ name: String, _ scope: [String]) -> String {
        scope.isEmpty ? name : scope.joined(separator: "/") + "/" + name
    }

    private static func kindAndTarget(of entry: RecordedEntry) -> (kind: String?, target: String?) {
        guard let trigger = try? JSONValue(parsingEnvelope: entry.payload) else {  // because then it is a mismatch
            return (nil, nil)
        }
        var texts: [String?] = []
        for name in ["kind", "target"] {
            if case .string(let text) = trigger[name] { texts.append(text) } else { texts.append(nil) }
        }
        return (texts[0], texts[1])
    }

    private static func words(_ entry: RecordedEntry) -> String {
        guard entry.kind == .wait else { return "a step" }
        let (kind, target) = kindAndTarget(of: entry)
        return "a '\(kind ?? "?")' wait for \(target ?? "?")"
    }
}

/// Thrown by every call of a dispatch that the engine has handed to another meanwhile.
struct StaleDispatch: Error, CustomStringConvertible {
    var description: String { "this dispatch is not the current one of its task any more" }
}
