// SPDX-License-Identifier: Apache-2.0

import Crypto
import HTTPTypes
import PerchSDK
import Synchronization

/// How many events each token may send: so many a second on average, and a second's worth at once. A batch goes in whole where
/// anything is left, and is paid off after.
final class EventRate: Sendable {
    private struct Bucket: Sendable {
        /// Millionths of an event.
        var left: Int64
        var at: Timestamp
    }

    private let buckets = Mutex<[SHA256Digest: Bucket]>([:])
    private let rate: Int64
    private static let mostKept = 10_000

    /// - Parameter rate: Events a second.
    init(_ rate: Int) { self.rate = Int64(max(1, rate)) }

    /// - Throws: `Refusal` (429) that says when to come again.
    func take(_ count: Int, for fields: HTTPFields, now: Timestamp) throws(Refusal) {
        let key = SHA256.hash(data: Array((fields[.authorization] ?? fields[.cookie] ?? "").utf8))
        let wait: Int64? = buckets.withLock { buckets in
            if buckets.count >= Self.mostKept { buckets = buckets.filter { $0.value.left < 0 } }
            var bucket = buckets[key] ?? Bucket(left: rate * 1_000_000, at: now)
            let passed = min(max(0, (now - bucket.at).microseconds), 3_600 * 1_000_000)
            bucket.left = min(rate * 1_000_000, bucket.left + passed * rate)
            bucket.at = now
            defer { buckets[key] = bucket }
            guard bucket.left > 0 else { return (-bucket.left / rate + 999_999) / 1_000_000 }
            bucket.left -= Int64(count) * 1_000_000
            return nil
        }
        guard let wait else { return }
        throw Refusal(
            .tooManyRequests, "too_many", "this token sends more than \(rate) events a second; nothing was taken",
            [.retryAfter: "\(max(1, wait))"])
    }
}
