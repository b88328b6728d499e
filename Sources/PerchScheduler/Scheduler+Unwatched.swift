// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK

extension Scheduler {
    /// A wait is bounded even where no triggerer serves its queue: its deadline is minded here then, for want of better
    /// without a last probe.
    func timeOutUnwatched() async throws {
        // A clock that was set back must not stop the watch for as long.
        let (present, pause) = (reactor.loop.now, configuration.slowPoll.microseconds)
        guard present >= nextLook || nextLook > present + pause else { return }
        nextLook = present + pause
        let (queues, now) = try await metastore.read { (try $0.unservedQueues(), $0.now) }
        let grace = configuration.unwatchedGrace
        let (alone, new) = unwatched.look(queues, at: now, grace: grace)
        for queue in new {
            let waits = try await metastore.read { try $0.waitCount(ofQueue: queue) }
            guard waits > 0 else { continue }
            log.warning(
                "no triggerer serves the queue: nobody watches its waits, they can only time out",
                metadata: ["queue": "\(queue)", "waits": "\(waits)"])
        }
        let before = now + TimeSpan(microseconds: -grace.microseconds)
        let limit = configuration.rowsPerTransaction / 10
        for queue in alone {
            var isMore = true
            while isMore, !isStopped {
                let overdue = try await metastore.read {
                    try $0.overdueWaits(ofQueue: queue, before: before, limit: 1)
                }
                guard !overdue.isEmpty else { break }
                isMore = try await metastore.write { transaction in
                    guard try transaction.unservedQueues().contains(queue) else { return false }
                    // Once more: a deadline may have been moved since.
                    let overdue = try transaction.overdueWaits(ofQueue: queue, before: before, limit: limit)
                    _ = try transaction.fire(
                        overdue.map { Firing(waitID: $0, outcome: .timeout, by: "scheduler") }, lease: nil)
                    return overdue.count == limit
                }
            }
        }
    }
}
