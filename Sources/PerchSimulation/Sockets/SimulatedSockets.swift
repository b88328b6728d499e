// SPDX-License-Identifier: Apache-2.0

package import PerchReactor
package import PerchSDK
package import PerchTriggersSocket

/// Sockets in memory: each address answers as it was told to, and refuses until then.
package final class SimulatedSockets: SocketTransport {
    private final class Attempt: SocketAttempt {
        private let loop: any EventLoop
        private var timer: LoopTimer?

        init(_ loop: any EventLoop, endsAt instant: Int64, _ end: @escaping () -> Void) {
            self.loop = loop
            timer = loop.schedule(at: instant) { [unowned self] in
                timer = nil
                end()
            }
        }

        var isOver: Bool { timer == nil }

        func cancel() {
            if let timer { loop.cancel(timer) }
            timer = nil
        }
    }

    private let loop: any EventLoop
    private var answers: [SocketAddress: SocketOutcome] = [:]
    private var attempts: [Attempt] = []
    /// Every attempt up to now, with its instant.
    package private(set) var tried: [(address: SocketAddress, at: Int64)] = []

    /// Sockets on a loop.
    package init(loop: any EventLoop) {
        self.loop = loop
    }

    /// From now on attempts at an address end so. `timedOut` takes as long as it may, all else a millisecond.
    package func set(_ address: SocketAddress, _ answer: SocketOutcome) { answers[address] = answer }

    package func connect(
        to target: SocketTarget, timeout: TimeSpan, done: @escaping (SocketOutcome) -> Void
    ) throws -> any SocketAttempt {
        tried.append((target.address, loop.now))
        let outcome = answers[target.address] ?? .refused(by: target.address.description)
        let takes = outcome == .timedOut ? timeout.microseconds : 1_000
        let attempt = Attempt(loop, endsAt: loop.now + takes) { done(outcome) }
        attempts.removeAll { $0.isOver }
        attempts.append(attempt)
        return attempt
    }

    package func close() {
        for attempt in attempts { attempt.cancel() }
        attempts = []
    }
}
