// SPDX-License-Identifier: Apache-2.0

import Dispatch
import PerchSDK
import Synchronization

/// Checks and hashes passwords away from the threads that serve, two at a time at most: each takes a good deal of memory and time.
final class PasswordDesk: Sendable {
    private let queues = [DispatchQueue(label: "perch-passwords-1"), DispatchQueue(label: "perch-passwords-2")]
    /// How many are under way or wait, for each queue.
    private let waiting = Mutex([0, 0])
    /// That of nobody: who is unknown takes as long as who is known.
    private let decoy = Mutex<PasswordHash?>(nil)
    /// So many wait for one queue at most.
    private static let most = 16
    private let cost: Int

    /// - Parameter cost: The power of two of how many rounds a new password is hashed with.
    init(cost: Int) { self.cost = cost }

    /// Whether a password is that which is stored; false also where nothing is.
    /// - Throws: `Refusal` (503) where too many are asked at this moment.
    func fits(_ password: String, _ stored: String?) async throws -> Bool {
        try await away {
            guard let stored else {
                _ = try self.nobody().fits(password)
                return false
            }
            return try PasswordHash(stored: stored).fits(password)
        }
    }

    /// A new password as it is stored.
    /// - Throws: `PerchError` (`invalid`) for one that is too short or too long; `Refusal` (503) where too many are asked at this
    ///   moment.
    func hash(_ password: String) async throws -> String {
        try await away { [cost] in try PasswordHash(password, cost: cost).text }
    }

    private func away<Answer: Sendable>(_ body: @escaping @Sendable () throws -> Answer) async throws -> Answer {
        let place: Int? = waiting.withLock { waiting in
            let place = waiting[0] <= waiting[1] ? 0 : 1
            guard waiting[place] < Self.most else { return nil }
            waiting[place] += 1
            return place
        }
        guard let place else { throw Refusal.unavailable("too many log in at this moment", after: 2) }
        let answer: Result<Answer, any Error> = await withCheckedContinuation { continuation in
            queues[place].async {
                let answer = Result<Answer, any Error> { try body() }
                self.waiting.withLock { $0[place] -= 1 }
                continuation.resume(returning: answer)
            }
        }
        return try answer.get()
    }

    private func nobody() throws -> PasswordHash {
        if let made = decoy.withLock({ $0 }) { return made }
        let made = try PasswordHash(AccessSecret.make(""), cost: cost)
        decoy.withLock { $0 = made }
        return made
    }
}
