// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import PerchReactor
internal import PerchSDK
internal import Synchronization

/// SIGTERM and SIGINT as something to await. A second signal ends the process at once.
enum StopSignals {
    /// Written to by the handler; -1 before there is one.
    private static let descriptor = Atomic<Int32>(-1)
    private static let count = Atomic<Int>(0)

    /// Begins to listen. To be called once.
    static func listen() throws {
        let made = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        guard made >= 0 else {
            throw PerchError(.unavailable, "cannot listen for signals: \(String(cString: strerror(errno)))")
        }
        descriptor.store(made, ordering: .releasing)
        for number in [SIGTERM, SIGINT] {
            // Nothing here but what is allowed in a signal handler: two atomics, write, _exit.
            signal(number) { number in
                if StopSignals.count.add(1, ordering: .relaxed).oldValue > 0 { _exit(128 + number) }
                var one: UInt64 = 1
                _ = write(StopSignals.descriptor.load(ordering: .acquiring), &one, 8)
            }
        }
    }

    /// Calls back on the reactor after the first signal, or where signals cannot be watched there. Never, if the reactor
    /// stops before.
    static func watch(on reactor: any Reactor, _ action: @escaping @Sendable (Result<Void, any Error>) -> Void) {
        let descriptor = descriptor.load(ordering: .acquiring)
        reactor.submit {
            do {
                try reactor.loop.watch(descriptor, for: .read) { _ in
                    reactor.loop.unwatch(descriptor)
                    action(.success(()))
                }
            } catch {
                action(.failure(error))
            }
        }
    }
}
