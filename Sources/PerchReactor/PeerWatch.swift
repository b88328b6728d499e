// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Tells at once when another process of this machine has ended, however it ended: what it held need not lie alone until
/// somebody looks.
package final class PeerWatch {
    private let loop: any EventLoop
    private let ended: () -> Void
    /// The descriptors, by the numbers of the processes.
    private var descriptors: [Int64: Int32] = [:]

    /// A watch of nobody yet; lives on the loop's thread.
    package init(loop: any EventLoop, ended: @escaping () -> Void) {
        self.loop = loop
        self.ended = ended
    }

    /// Watches these, and no others. Those that cannot be watched are found dead when somebody looks.
    ///
    /// - Parameter exit: A descriptor that can be read when the process has ended; nil where there is none. It becomes the
    ///   watch's.
    package func watch(_ peers: [Int64], exit: (Int64) -> Int32?) {
        let ids = Set(peers)
        for id in descriptors.keys.sorted() where !ids.contains(id) { forget(id) }
        for id in peers where descriptors[id] == nil {
            guard let descriptor = exit(id) else { continue }
            descriptors[id] = descriptor
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
