// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Synchronization

/// Slows down whoever guesses passwords: after some that were wrong, for a name or from an address, the next is looked at only
/// after a while, which doubles each time. What is in memory here is in the metastore, too, so that it holds at every server.
final class LoginLimit: Sendable {
    private struct Failures: Sendable {
        var count = 0
        var lastAt: Timestamp
    }

    /// What was tried.
    struct Try: Sendable {
        var name: String
        var address: String

        /// What the metastore counts failures by: what somebody has typed for a name is not stored.
        var subjects: [String] {
            LoginLimit.keys(self).map { key, _, _ in
                var hash = StableHash128()
                hash.combine(key)
                return hash.text
            }
        }
    }

    private let state = Mutex<[String: Failures]>([:])
    /// So many are wrong before anything is slowed down: of one name, and of one address, behind which there may be many people.
    private static let free = (name: 5, address: 20)
    /// The longest pause. Whoever has forgotten his password is not locked out by somebody who guesses it.
    private static let longest = (name: Int64(60), address: Int64(900))
    /// After so long without a failure all is forgotten.
    static let memory = TimeSpan.seconds(3_600)
    private static let mostKept = 10_000

    /// In so many seconds it may be tried again; nil: now.
    func pause(_ attempt: Try, now: Timestamp) -> Int64? {
        state.withLock { state in
            let waits = Self.keys(attempt).compactMap { key, free, longest -> Int64? in
                guard let failures = state[key] else { return nil }
                return Self.pause(after: failures.count, lastAt: failures.lastAt, free, longest, now)
            }
            return waits.max()
        }
    }

    /// The same by what all servers have counted, in the order of the subjects.
    static func pause(_ attempt: Try, counted: [(failures: Int, lastAt: Timestamp)?], now: Timestamp) -> Int64? {
        let waits = zip(keys(attempt), counted).compactMap { key, counted -> Int64? in
            guard let counted else { return nil }
            return pause(after: counted.failures, lastAt: counted.lastAt, key.free, key.longest, now)
        }
        return waits.max()
    }

    private static func pause(
        after count: Int, lastAt: Timestamp, _ free: Int, _ longest: Int64, _ now: Timestamp
    ) -> Int64? {
        guard count >= free, lastAt <= now, now - lastAt < memory else { return nil }
        let pause = min(longest, Int64(1) << min(20, count - free))
        let left = pause * 1_000_000 - (now - lastAt).microseconds
        return left > 0 ? (left + 999_999) / 1_000_000 : nil
    }

    /// The password was wrong, or the name.
    func failed(_ attempt: Try, now: Timestamp) {
        state.withLock { state in
            if state.count >= Self.mostKept {
                state = state.filter { $0.value.lastAt <= now && now - $0.value.lastAt < Self.memory }
            }
            for (key, _, _) in Self.keys(attempt) {
                var failures = state[key] ?? Failures(lastAt: now)
                if failures.lastAt > now || now - failures.lastAt >= Self.memory { failures.count = 0 }
                // What cannot be remembered counts for those that are.
                guard state[key] != nil || state.count < Self.mostKept * 2 else { continue }
                failures.count += 1
                failures.lastAt = now
                state[key] = failures
            }
        }
    }

    /// The password was right.
    func succeeded(_ attempt: Try) { state.withLock { $0["name " + attempt.name] = nil } }

    private static func keys(_ attempt: Try) -> [(key: String, free: Int, longest: Int64)] {
        [
            ("name " + attempt.name, free.name, longest.name),
            ("address " + attempt.address, free.address, longest.address),
        ]
    }
}
