// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchBundle

/// The engine's clock in bundle processes: they count on by themselves, from where they were told.
extension Executor {
    /// What the clock has to have moved by before they are told again, in microseconds.
    private static var smallestMove: Int64 { 5_000 }

    /// Tells each bundle how the clock goes on, where it does not know that.
    func tellClock() {
        guard let offset = configuration.clockOffset?() else { return }
        for (_, bundle) in living.sorted(by: { $0.key < $1.key })
        where bundle.isReady && bundle.protocolVersion >= BundleProtocol.clockVersion {
            if let told = bundle.toldOffset, abs(offset - told) < Self.smallestMove { continue }
            do {
                try bundle.link.send(.clock(offset: offset))
                bundle.toldOffset = offset
                bundle.link.flush()
            } catch {
                logger.error("a message to the bundle was dropped", metadata: ["error": "\(error)"])
            }
        }
    }
}
