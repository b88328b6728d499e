// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK
internal import Synchronization

/// One dispatch of a task as its code sees it: the calls of the context, answered from the journal or by the engine.
final class JournaledAttempt: AttemptRuntime {
    private struct State {
        var replay: JournalReplay
        var handlers: [@Sendable () async throws -> Void] = []
        var waiters: [String: CheckedContinuation<Result<Void, any Error>, Never>] = [:]
        var body: Task<Void, Never>?
        var killing: Task<Void, Never>?
        /// The time for clean-up is over: handlers that have not begun never will.
        var isLast = false
        var facts: AttemptFacts
        /// Nil: nothing of its operator is filled in.
        var rendered: RenderedFields?
    }

    var facts: AttemptFacts { state.withLock { $0.facts } }
    let dispatchID: Int64
    let host: DispatchHost
    private let executor: any TaskExecutor
    let lookUps = AttemptLookUps()
    private let state: Mutex<State>

    /// - Parameter fields: What of its operator may hold templates.
    init(
        order: RunOrder, of dag: AttemptDAG?, fields: [TemplateField], host: DispatchHost, executor: any TaskExecutor
    ) {
        var facts = order.facts
        facts.mapElement = order.mapElement
        facts.dag = dag
        dispatchID = order.dispatchID
        self.host = host
        self.executor = executor
        state = Mutex(
            State(
                replay: JournalReplay(journal: order.journal, cancel: order.cancel), facts: facts,
                rendered: RenderedFields(fields)))
    }

    /// The element of a mapped instance, where it did not travel with the order.
    func read(element: String) { state.withLock { $0.facts.mapElement = element } }

    var now: Timestamp { host.clock.now }

    func randomBits() -> UInt64 { host.randomBits() }

    // MARK: Steps and waits

    func step(
        _ name: String, scope: [String], keepAcrossRetries: Bool, body: @Sendable () async throws -> String
    ) async throws -> String {
        switch try state.withLock({ try $0.replay.beginStep(name, scope: scope) }) {
        case .recorded(let payload):
            return payload
        case .perform(let key):
            do {
                let began = now
                let payload = try await body()
                try await record(key, payload, keep: keepAcrossRetries, began: began)
                return payload
            } catch {
                state.withLock { $0.replay.stepFailed(key) }
                throw error
            }
        }
    }

    /// Returns once the engine has said that the result is durable.
    private func record(_ key: String, _ payload: String, keep: Bool, began: Timestamp) async throws {
        // Not a throwing continuation: where one throws, optimized code of Swift 6.3 goes on off the caller's actor.
        let answer: Result<Void, any Error> = await withCheckedContinuation { waiter in
            let isOpen = state.withLock { state in
                if state.replay.isRefused { return false }
                state.waiters[key] = waiter
                return true
            }
            guard isOpen else { return waiter.resume(returning: .failure(StaleDispatch())) }
            do {
                try host.outbox.send(
                    .step(dispatchID: dispatchID, key: key, payload: payload, keep: keep, began: began),
                    mayWait: false)
            } catch {
                let message = "the result of the step '\(key)' is too large to be recorded: \(error)"
                state.withLock { $0.waiters.removeValue(forKey: key) }?
                    .resume(returning: .failure(PerchError(.invalid, message)))
            }
        }
        try answer.get()
        state.withLock { $0.replay.stepRecorded(key) }
    }

    func wait(
        _ name: String, scope: [String], for trigger: TriggerSpec, timeout: TimeSpan?
    ) async throws -> WaitResult {
        // Said now, and not when the wait has been stored and nobody finds its code.
        try host.triggers.require(kind: trigger.kind)
        let decision = try state.withLock {
            try $0.replay.beginWait(name, scope: scope, for: trigger, timeout: timeout)
        }
        switch decision {
        case .event(let payload): return .event(try JSONValue(parsingEnvelope: payload))
        case .timeout: return .timeout
        case .suspend(let key): throw Suspension(key: key)
        case .broken(let message): throw PerchError(.invalid, "the wait '\(name)' cannot end: \(message)")
        case .cancelled(let notice):
            startKilling()
            throw TaskCancelled(reason: notice.reason, by: notice.by)
        }
    }

    // MARK: Templates

    func rendered(_ template: String, as result: String) {
        tell(state.withLock { $0.rendered?.filled(template, as: result) })
    }

    private func tell(_ fields: [RenderedField]?) {
        guard let fields else { return }
        // Masked all the same: params and elements may hold what is secret elsewhere.
        let masked = fields.map { RenderedField($0.name, host.mask.masked($0.text)) }
        host.say(.rendered(dispatchID: dispatchID, masked.bounded))
    }

    // MARK: Log

    func log(_ level: AttemptLogLevel, _ message: String) {
        host.say(
            .log(dispatchID: dispatchID, [LogLine(bounded: host.mask.masked(message), level: level, at: now)]),
            mayWait: true)
    }

    // MARK: Cancel

    func onKill(_ handler: @escaping @Sendable () async throws -> Void) {
        state.withLock { state in
            // One that would never run holds nothing: it most likely holds the context, and the context this.
            if !state.isLast { state.handlers.append(handler) }
        }
    }

    func cancel(_ notice: CancelNotice, isLast: Bool) {
        let (body, killing) = state.withLock { state in
            state.replay.beginCancel(notice)
            if isLast { state.isLast = true }
            return (state.body, state.killing)
        }
        body?.cancel()
        if isLast { killing?.cancel() } else { startKilling() }
    }

    /// The engine gave the dispatch to another: nothing that this one does counts any more.
    func refuse() {
        let (body, killing, waiters) = state.withLock { state in
            state.replay.refuse()
            // The clean-up is the other dispatch's work, too.
            state.isLast = true
            state.handlers = []
            defer { state.waiters = [:] }
            return (state.body, state.killing, state.waiters)
        }
        body?.cancel()
        killing?.cancel()
        lookUps.end()
        for (_, waiter) in waiters.sorted(by: { $0.key < $1.key }) {
            waiter.resume(returning: .failure(StaleDispatch()))
        }
    }

    func recorded(_ key: String) {
        state.withLock { $0.waiters.removeValue(forKey: key) }?.resume(returning: .success(()))
    }

    /// Begins to run what `onKill` has registered, in a Swift task of its own that the cancel of the body does not
    /// touch.
    private func startKilling() {
        state.withLock { state in
            guard state.killing == nil, !state.isLast else { return }
            state.killing = Task(executorPreference: executor) { await self.runHandlers() }
        }
    }

    private func runHandlers() async {
        while let handler = state.withLock({ $0.isLast ? nil : $0.handlers.popLast() }) {
            do {
                try await handler()
            } catch {
                log(.error, "onKill failed: \(error)")
            }
        }
    }

    // MARK: Life

    /// Starts the code; `body` ends with `conclude`.
    func start(_ body: @escaping @Sendable () async -> Void) {
        state.withLock { $0.body = Task(executorPreference: executor) { await body() } }
    }

    /// What to tell the engine at the end, once the clean-up is over.
    func conclude(_ result: Result<TaskOutput, any Error>) async -> BundleMessage {
        tell(state.withLock { $0.rendered?.ended() })
        let isCancelled = state.withLock { $0.replay.cancel != nil && !$0.replay.isRefused }
        if isCancelled { startKilling() }
        if let killing = state.withLock({ $0.killing }) { await killing.value }
        if isCancelled { await runHandlers() }
        let end = state.withLock { state in
            state.isLast = true
            state.handlers = []
            return state.replay.isRefused ? .outcome(.cancelled) : state.replay.end(result)
        }
        lookUps.end()
        switch end {
        case .deferred(let wait):
            return .deferred(dispatchID: dispatchID, key: wait.key, trigger: wait.trigger, timeout: wait.timeout)
        case .outcome(let outcome):
            return .result(dispatchID: dispatchID, outcome.masked(by: host.mask))
        }
    }
}
