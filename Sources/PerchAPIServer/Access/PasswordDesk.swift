// SPDX-License-Identifier: Apache-2.0

import Dispatch
import PerchSDK
import Synchronization

/// Checks passwords away from the threads that serve, two at a time at most: each takes a good deal of memory and time.
final class PasswordDesk: Sendable {
    private let queues = [DispatchQueue(label: "perch-passwords-1"), DispatchQueue(label: "perch-passwords-2")]
    /// How many are under way or wait, for each queue.
    private let waiting = Mutex([0, 0])
    /// That of nobody: who is unknown takes as long as who is known.
    private let decoy = Mutex<PasswordHash?>(nil)
    /// So many wait for one queue at most.
    private static let most = 16

    /// Whether a password is that which is stored; false also where nothing is.
    /// - Throws: `Refusal` (503) where too many are asked at this moment.
    func fits(_ password: String, _ stored: String?) async throws -> Bool {
        let place: Int? = waiting.withLock { waiting in
            let place = waiting[0] <= waiting[1] ? 0 : 1
            guard waiting[place] < Self.most else { return nil }
            waiting[place] += 1
            return place
        }
        guard let place else { throw Refusal.unavailable("too many log in at this moment", after: 2) }
        let answer: Result<Bool, any Error> = await withCheckedContinuation { continuation in
            queues[place].async {
                let answer = Result<Bool, any Error> {
                    guard let stored else {
                        _ = try self.nobody().fits(password)
                        return false
                    }
                    return try PasswordHash(stored: stored).fits(password)
                }
                self.waiting.withLock { $0[place] -= 1 }
                continuation.resume(returning: answer)
            }
        }
        return try answer.get()
    }

    private func nobody() throws -> PasswordHash {
        if let made = decoy.withLock({ $0 }) { return made }
        let made = try PasswordHash(AccessSecret.make(""))
        decoy.withLock { $0 = made }
        return made
    }
}
