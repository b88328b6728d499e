// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// The waits that something is done with: those that were chosen, or all that match a filter.
struct WaitTargets: Sendable {
    static let mostChosen = 200
    /// So many that match are taken at once, the oldest first.
    static let mostMatching = 5_000

    let isMatching: Bool
    let ids: [Int64]
    /// Whether more match than are taken.
    let hasMore: Bool
    /// Up to when a wait has to be registered that matches.
    let began: Timestamp

    /// - Throws: `Refusal` (400) where none is chosen, or too many are; `PerchError` (`invalid`) for a filter that cannot be.
    init(_ call: PageCall) async throws {
        isMatching = call.form["scope"] == "matching"
        let now = call.metastore.clock.now
        let began = call.form["began"].flatMap { Int64($0) }.map { min(Timestamp(microseconds: $0), now) } ?? now
        self.began = began
        guard isMatching else {
            var known: Set<Int64> = []
            ids = call.form.all("wait").compactMap { Int64($0) }.filter { known.insert($0).inserted }
            hasMore = false
            guard (1...Self.mostChosen).contains(ids.count) else {
                throw Refusal(
                    .badRequest, "invalid_request",
                    ids.isEmpty ? "no wait is chosen" : "at most \(Self.mostChosen) waits can be chosen at once")
            }
            return
        }
        let fields = try FormFields(call.form["filter"] ?? "")
        let waits = try await call.read { snapshot in
            var filter = try DeferredPage.filter(fields, now: began)
            // What has come since the question was asked is left alone.
            let next = began + TimeSpan(microseconds: 1)
            filter.registeredBefore = filter.registeredBefore.map { min($0, next) } ?? next
            filter.dagIDs = try call.dags(atLeast: .operate, snapshot)
            (filter.sort, filter.isReversed) = (.id, false)
            filter.limit = Self.mostMatching + 1
            return try snapshot.waits(filter).map(\.waitID)
        }
        ids = Array(waits.prefix(Self.mostMatching))
        hasMore = waits.count > Self.mostMatching
    }
}

extension PageCall {
    /// The DAGs with which the one who asks may do so much; nil: with all of them.
    func dags(atLeast right: APIRight, _ snapshot: Snapshot) throws -> [String]? {
        guard caller.everywhere < right else { return nil }
        return try snapshot.dags().map(\.dagID).filter { caller.right(for: $0) >= right }
    }
}
