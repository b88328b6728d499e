// SPDX-License-Identifier: Apache-2.0

import Glibc
import PerchMetastore
import PerchReactor

/// Tells at once when another triggerer of this machine has ended, however it ended: its waits need not lie alone until
/// somebody looks.
final class PeerWatch {
    private let loop: any EventLoop
    private let processes: any ProcessTable
    private let ended: () -> Void
    /// The descriptors by processes of the metastore.
    private var descriptors: [Int64: Int32] = [:]

    init(loop: any EventLoop, processes: any ProcessTable, ended: @escaping () -> Void) {
        self.loop = loop
        self.processes = processes
        self.ended = ended
    }

    /// Watches these, and no others. Those that cannot be watched are found dead when the shares are worked out next.
    func watch(_ peers: [ProcessRow]) {
        let ids = Set(peers.map(\.processID))
        for id in descriptors.keys.sorted() where !ids.contains(id) { forget(id) }
        for peer in peers where descriptors[peer.processID] == nil {
            guard let descriptor = processes.exitDescriptor(of: peer) else { continue }
            descriptors[peer.processID] = descriptor
            let id = peer.processID
            do {
                try loop.watch(descriptor, for: .read) { [weak self] _ in
                    self?.forget(id)
                    self?.ended()
                }
            } catch {
                // The machine grants no more descriptors to watch: the next look finds it.
                descriptors[id] = nil
                close(descriptor)
            }
        }
    }

    private func forget(_ id: Int64) {
        guard let descriptor = descriptors.removeValue(forKey: id) else { return }
        loop.unwatch(descriptor)
        close(descriptor)
    }
}
