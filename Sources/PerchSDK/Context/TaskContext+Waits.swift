// SPDX-License-Identifier: Apache-2.0

extension TaskContext {
    /// Waits without holding anything: no worker, no thread, no process.
    ///
    /// It reads like an await. The first time, the engine records the wait and the attempt unwinds as `Suspension`;
    /// when the wait is over, the code runs again from the top and this call returns the event. Do not catch
    /// `Suspension`.
    ///
    /// - Parameters:
    ///   - trigger: What is waited for. Templates in its strings are filled in.
    ///   - timeout: How long it may take from now; nil: as long as the task may.
    ///   - name: The name of the wait in the journal. Waits of one name are told apart by the order of calls.
    /// - Throws: `WaitTimeout`; `TaskCancelled`; `PerchError` (`invalid`) where the trigger itself is wrong.
    @discardableResult
    public func wait<T: Trigger>(
        for trigger: T, timeout: Duration? = nil, as name: String = "wait"
    ) async throws -> T.Event {
        guard let event = try await event(of: trigger, timeout: timeout, name: name) else {
            throw WaitTimeout(
                key: (path + [name]).joined(separator: "/"), target: trigger.target,
                timeout: timeout.map { TimeSpan($0) })
        }
        return event
    }

    /// Waits, and gives another value where the timeout comes first.
    @discardableResult
    public func wait<T: Trigger>(
        for trigger: T, timeout: Duration, as name: String = "wait", onTimeout other: @autoclosure () -> T.Event
    ) async throws -> T.Event {
        try await event(of: trigger, timeout: timeout, name: name) ?? other()
    }

    /// Waits, and gives nil where the timeout comes first: `onTimeout: nil`.
    @discardableResult
    public func wait<T: Trigger>(
        for trigger: T, timeout: Duration, as name: String = "wait", onTimeout other: @autoclosure () -> T.Event?
    ) async throws -> T.Event? {
        try await event(of: trigger, timeout: timeout, name: name) ?? other()
    }

    /// Sleeps without holding anything. The sleep survives every restart.
    public func sleep(for duration: Duration, as name: String = "sleep") async throws {
        try await sleep(.after(TimeSpan(duration)), name)
    }

    /// Sleeps until an instant, which must come from something journalled (`context.now`, the run's dates, an input).
    public func sleep(until instant: Timestamp, as name: String = "sleep") async throws {
        try await sleep(.at(instant.description), name)
    }

    private func sleep(_ due: DueInstant, _ name: String) async throws {
        let name = try JournalName.checked(name, what: "sleep")
        _ = try await runtime.wait(name, scope: path, for: .time(due), timeout: nil)
    }

    /// The event, or nil after a timeout.
    private func event<T: Trigger>(of trigger: T, timeout: Duration?, name: String) async throws -> T.Event? {
        let name = try JournalName.checked(name, what: "wait")
        if let problem = trigger.everyProblem.first { throw PerchError(.invalid, "the wait '\(name)': \(problem)") }
        let declared = try TriggerSpec(trigger)
        let spec = try await TemplateScope(runtime.facts).rendering(to: .stored).filled(by: runtime) {
            try declared.rendered(with: $0)
        }
        switch try await runtime.wait(name, scope: path, for: spec, timeout: timeout.map { TimeSpan($0) }) {
        case .timeout:
            return nil
        case .event(let payload):
            do {
                return try trigger.event(stored: payload)
            } catch {
                throw JournalMismatch(
                    key: (path + [name]).joined(separator: "/"), recorded: "the event \(payload.text.prefix(200))",
                    requested: "a \(T.Event.self) (\(error))")
            }
        }
    }
}
