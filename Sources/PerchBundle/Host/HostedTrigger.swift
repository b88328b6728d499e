// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK
internal import Synchronization

/// One hosting of a wait as its trigger's code sees it: what it asks for goes to the engine, and comes back by number.
final class HostedTrigger: TriggerRuntime {
    private typealias Answer = Result<Void, any Error>

    private struct State {
        var checkpoint: JSONValue?
        var waiters: [Int64: CheckedContinuation<Answer, Never>] = [:]
        /// Cancelled before anybody waited for them.
        var givenUp: Set<Int64> = []
        var lastNumber: Int64 = 0
        /// The numbers of its sleeps: whoever sleeps needs no time, and the host is not busy with it.
        var sleeping: Set<Int64> = []
        /// Ended by the engine, or by itself: nothing more is said.
        var isOver = false
        var task: Task<Void, Never>?
    }

    let run: TriggerRun
    let facts: TriggerFacts
    private let host: DispatchHost
    /// Held as long as its code may run.
    private let executor: any TaskExecutor
    private let state: Mutex<State>

    init(order: TriggerOrder, host: DispatchHost, executor: any TaskExecutor) {
        run = order.run
        facts = order.facts
        self.host = host
        self.executor = executor
        state = Mutex(State(checkpoint: order.checkpoint))
    }

    var now: Timestamp { host.clock.now }
    var lastCheckpoint: JSONValue? { state.withLock { $0.checkpoint } }

    // MARK: what the code asks for

    func sleep(until instant: Timestamp) async throws {
        try Task.checkCancellation()
        try await ask(isSleep: true) { .sleep(number: $0, until: instant) }
    }

    func checkpoint(_ value: JSONValue) async throws {
        try Task.checkCancellation()
        try await ask { .checkpoint(number: $0, value: value.text) }
        state.withLock { $0.checkpoint = value }
    }

    func log(_ level: AttemptLogLevel, _ message: String) {
        guard state.withLock({ !$0.isOver }) else { return }
        host.say(
            .trigger(run, .log([LogLine(bounded: host.mask.masked(message), level: level, at: now)])), mayWait: true)
    }

    /// Says something and returns when the engine has answered it.
    private func ask(isSleep: Bool = false, _ news: @Sendable (Int64) -> TriggerNews) async throws {
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        if isSleep { change { $0.sleeping.insert(number) } }
        // Not a throwing continuation: where one throws, optimized code of Swift 6.3 goes on off the caller's actor.
        let answer: Answer = await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let isOpen = state.withLock { state in
                    guard !state.isOver, state.givenUp.remove(number) == nil else { return false }
                    state.waiters[number] = waiter
                    return true
                }
                guard isOpen else { return waiter.resume(returning: .failure(CancellationError())) }
                do {
                    try host.outbox.send(.trigger(run, news(number)), mayWait: false)
                } catch {
                    answered(number, .failure(PerchError(.invalid, "what the trigger stores is too large: \(error)")))
                }
            }
        } onCancel: {
            let waiter = change { state in
                state.sleeping.remove(number)
                let waiter = state.waiters.removeValue(forKey: number)
                if waiter == nil { state.givenUp.insert(number) }
                return waiter
            }
            waiter?.resume(returning: .failure(CancellationError()))
        }
        change { state in
            state.givenUp.remove(number)
            state.sleeping.remove(number)
        }
        try answer.get()
    }

    private func answered(_ number: Int64, _ answer: Answer) {
        // It is awake from now on, and not only when a thread takes it up.
        let waiter = change { state in
            state.sleeping.remove(number)
            return state.waiters.removeValue(forKey: number)
        }
        waiter?.resume(returning: answer)
    }

    /// The engine has done what was asked for by this number.
    func answered(_ number: Int64) { answered(number, .success(())) }

    /// Changes something, and tells the host where the trigger falls asleep by it, or wakes up.
    @discardableResult
    private func change<Value>(_ body: (inout State) -> Value) -> Value where Value: Sendable {
        let (value, turned) = state.withLock { state in
            let wasAwake = !state.isOver && state.sleeping.isEmpty
            let value = body(&state)
            let isAwake = !state.isOver && state.sleeping.isEmpty
            return (value, isAwake == wasAwake ? 0 : isAwake ? 1 : -1)
        }
        if turned != 0 { host.count(awake: turned) }
        return value
    }

    // MARK: life

    func start(_ code: @escaping TriggerCode) {
        host.count(awake: 1)
        state.withLock { state in
            state.task = Task(executorPreference: executor) {
                do {
                    self.conclude(.event(try await code(TriggerContext(runtime: self))))
                } catch {
                    self.conclude(.failed(.threw, message: self.host.mask.masked("\(error)")))
                }
            }
        }
    }

    private func conclude(_ news: TriggerNews) {
        guard close() else { return }
        do {
            try host.outbox.send(.trigger(run, news), mayWait: false)
        } catch {
            host.say(.trigger(run, .failed(.broken, message: "its event is too large: \(error)")))
        }
        host.forget(self)
    }

    /// The engine wants no more of it.
    func end() {
        guard close() else { return }
        host.forget(self)
        let (task, waiters) = state.withLock { state in
            defer { state.waiters = [:] }
            return (state.task, state.waiters)
        }
        task?.cancel()
        for (_, waiter) in waiters.sorted(by: { $0.key < $1.key }) {
            waiter.resume(returning: .failure(CancellationError()))
        }
    }

    /// Says that it is over; false where it was before.
    private func close() -> Bool {
        change { state in
            defer { state.isOver = true }
            return !state.isOver
        }
    }
}
