// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// A request that came with a key by which it may come again.
package struct KeyedRequest: Sendable, Hashable {
    /// Of the key, and of whose it is.
    package var key: String
    /// Of what is asked for: with the same key it is the same, or a mistake.
    package var request: String

    /// A request by its hashes.
    package init(key: String, request: String) {
        self.key = key
        self.request = request
    }
}

/// What was answered to a request with a key.
package struct KeptAnswer: Sendable, Hashable {
    package var request: String
    /// Nil: what was asked for is done, and its answer is not known: it is being given, or was lost with the process that gave it.
    package var answer: Answer?

    package struct Answer: Sendable, Hashable {
        package var status: Int
        package var document: JSONValue

        /// An answer from its parts.
        package init(status: Int, document: JSONValue) {
            self.status = status
            self.document = document
        }
    }
}

/// The key of a request is taken: it was done before, or is being done by another.
package struct TakenKey: Error {}

extension Snapshot {
    /// What was answered to whoever sent a key before; nil: nobody did, or it is long ago.
    package func keptAnswer(_ key: String) throws -> KeptAnswer? {
        try first(
            "SELECT request, status, document FROM kept_answer WHERE key = :1 AND at >= :2", key, now.withoutKept
        ) { row in
            var kept = KeptAnswer(request: row.text(0))
            if !row.isNull(1) {
                kept.answer = KeptAnswer.Answer(status: Int(row.int64(1)), document: try row.json(2))
            }
            return kept
        }
    }
}

extension Transaction {
    /// Takes the key of a request, in the transaction that does what is asked for: it is done once.
    /// - Throws: `TakenKey` where somebody was first.
    package func take(_ keyed: KeyedRequest) throws {
        try forgetAnswers()
        let taken = try run(
            "INSERT INTO kept_answer (key, request, at) VALUES (:1, :2, :3) ON CONFLICT (key) DO NOTHING", keyed.key,
            keyed.request, now)
        guard taken == 1 else { throw TakenKey() }
    }

    /// Forgets the answers of long ago.
    func forgetAnswers() throws { try run("DELETE FROM kept_answer WHERE at < :1", now.withoutKept) }

    /// Keeps the answer to a request whose key was taken.
    package func keep(_ answer: KeptAnswer.Answer, of keyed: KeyedRequest) throws {
        try run(
            "UPDATE kept_answer SET status = :2, document = :3 WHERE key = :1", keyed.key, answer.status,
            answer.document.text)
    }
}

extension Timestamp {
    /// What was answered before then is not kept any more: it is kept for a day.
    fileprivate var withoutKept: Timestamp { self + TimeSpan(microseconds: -24 * 3_600 * 1_000_000) }
}
