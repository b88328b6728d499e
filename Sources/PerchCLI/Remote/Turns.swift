// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import PerchSDK
internal import Synchronization

/// So many may do something at a time; others come after them, in their order.
final class Turns: Sendable {
    /// Ends with the last who holds it.
    final class Turn: Sendable {
        private let turns: Turns

        fileprivate init(_ turns: Turns) { self.turns = turns }

        deinit { turns.giveBack() }
    }

    /// A place among those who wait.
    struct Ticket: Sendable, Hashable {
        fileprivate let number: Int
    }

    private struct State {
        var free: Int
        var last = 0
        /// In the order of their coming.
        var waiting: [Ticket] = []
        /// Who sleeps until his turn comes.
        var sleeping: [Ticket: CheckedContinuation<Void, Never>] = [:]
    }

    private let state: Mutex<State>
    private let mostWaiting: Int

    init(most: Int, waiting: Int = 0) {
        state = Mutex(State(free: most))
        mostWaiting = waiting
    }

    /// A place behind all who wait; nil where there are as many as may.
    func ticket() -> Ticket? {
        state.withLock { state in
            guard state.waiting.count < state.free + mostWaiting else { return nil }
            state.last += 1
            let ticket = Ticket(number: state.last)
            state.waiting.append(ticket)
            return ticket
        }
    }

    /// A turn at once, without a place among those who wait; nil where there is none.
    func takeIfFree() -> Turn? {
        let isFree = state.withLock { state in
            guard state.free > state.waiting.count else { return false }
            state.free -= 1
            return true
        }
        return isFree ? Turn(self) : nil
    }

    /// The turn of a place; nil: it has not come for so long, or the place was given up.
    func take(_ ticket: Ticket, within span: TimeSpan) async -> Turn? {
        await withCheckedContinuation { continuation in
            let mustWait = state.withLock { state in
                guard let place = state.waiting.firstIndex(of: ticket), place >= state.free else { return false }
                state.sleeping[ticket] = continuation
                return true
            }
            guard mustWait else { return continuation.resume() }
            DispatchQueue.global().asyncAfter(deadline: .now() + .microseconds(Int(span.microseconds))) { [weak self] in
                self?.wake(ticket)
            }
        }
        let isHis = state.withLock { state in
            guard let place = state.waiting.firstIndex(of: ticket), place < state.free else { return false }
            state.waiting.remove(at: place)
            state.free -= 1
            return true
        }
        return isHis ? Turn(self) : nil
    }

    /// Whoever had the place waits no more.
    func leave(_ ticket: Ticket) {
        let next = state.withLock { state in
            state.waiting.removeAll { $0 == ticket }
            return [state.sleeping.removeValue(forKey: ticket)] + Self.called(&state)
        }
        for continuation in next { continuation?.resume() }
    }

    private func wake(_ ticket: Ticket) {
        state.withLock { $0.sleeping.removeValue(forKey: ticket) }?.resume()
    }

    private func giveBack() {
        let next = state.withLock { state in
            state.free += 1
            return Self.called(&state)
        }
        for continuation in next { continuation?.resume() }
    }

    /// Those who sleep though it is their turn.
    private static func called(_ state: inout State) -> [CheckedContinuation<Void, Never>?] {
        state.waiting.prefix(state.free).map { state.sleeping.removeValue(forKey: $0) }
    }
}
