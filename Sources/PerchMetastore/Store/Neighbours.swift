// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// The other processes of a home, as far as their doorbells go. Known from when one came or went; a ring that is lost costs
/// a slow poll.
final class Neighbours: Sendable {
    private let paths: HomePaths
    private let own: String
    private let others = Mutex<[String]>([])

    init(_ paths: HomePaths, own: String) {
        self.paths = paths
        self.own = own
    }

    /// Looks who is there, and tells them that this process came or goes.
    func announce() {
        look()
        ring(.neighbours)
    }

    /// Looks who is there.
    func look() {
        let found = paths.doorbells().filter { $0 != own }
        others.withLock { $0 = found }
    }

    /// Rings at all of them. One behind which nobody listens is not rung at again.
    func ring(_ bells: DoorbellSet) {
        guard !bells.isEmpty else { return }
        let paths = others.withLock { $0 }
        guard !paths.isEmpty else { return }
        let deaf = paths.filter { !DoorbellSocket.send(bells, to: $0) }
        if !deaf.isEmpty { others.withLock { $0.removeAll { deaf.contains($0) } } }
    }
}
