// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import PerchReactor
internal import PerchSDK

/// The turn of probes: so many connections are tried at a time.
extension SocketSource {
    /// Makes a probe as soon as the number of those under way allows.
    func ask(_ probe: SocketProbe) {
        probe.activity = .queued
        line.append(probe)
        advance()
    }

    private func advance() {
        while active < options.inAll, let probe = line.popFirst() {
            // One whose waits have all gone meanwhile.
            guard probe.count > 0, probe.activity == .queued else { continue }
            probe.activity = .asking
            probe.startedAt = loop.now
            active += 1
            connect(probe)
        }
    }

    /// A probe has ended: its place goes to the first in line.
    func leave(_ probe: SocketProbe) {
        probe.activity = .idle
        active -= 1
        advance()
    }
}
