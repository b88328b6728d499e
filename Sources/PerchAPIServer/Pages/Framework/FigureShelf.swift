// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Synchronization

/// Figures that take long to count, as how many of a million waits come due in which hour. Each is counted once in a while,
/// however many pages show it; a page shows the last one with the time at which it held.
final class FigureShelf: Sendable {
    private struct Entry: Sendable {
        var figure: (any Sendable)?
        /// When it was counted.
        var at = Timestamp(microseconds: .min)
        /// How long that took.
        var cost = TimeSpan(microseconds: 0)
        var counting: Task<any Sendable, any Error>?
    }

    private let entries = Mutex<[String: Entry]>([:])

    /// A figure that takes longer than this is not waited for.
    private static let patience = TimeSpan(microseconds: 50_000)

    /// A figure that is no older than `age`. Where counting it took long, the last one is given while a new one is being
    /// counted; the first one is waited for.
    ///
    /// - Parameter name: Of the figure; one name is always of one type.
    func figure<Figure: Sendable>(
        _ name: String, clock: any PerchClock, age: TimeSpan, count: @escaping @Sendable () async throws -> Figure
    ) async throws -> (figure: Figure, at: Timestamp) {
        let now = clock.now
        let (known, task) = entries.withLock { entries in
            var entry = entries[name] ?? Entry()
            let isFresh = entry.figure != nil && now < entry.at + age && entry.at <= now
            if !isFresh, entry.counting == nil {
                entry.counting = Task { [self] in
                    do {
                        let figure = try await count()
                        note(name, figure, now, cost: clock.now - now)
                        return figure
                    } catch {
                        note(name, nil, now, cost: TimeSpan(microseconds: 0))
                        throw error
                    }
                }
                entries[name] = entry
            }
            let isWaitedFor = !isFresh && (entry.figure == nil || entry.cost < Self.patience)
            return isWaitedFor ? (nil, entry.counting) : (entry.figure as? Figure, nil)
        }
        if let known { return (known, entries.withLock { $0[name]?.at } ?? now) }
        guard let figure = try await task?.value as? Figure else {
            throw PerchError(.unavailable, "'\(name)' could not be counted")
        }
        return (figure, now)
    }

    private func note(_ name: String, _ figure: (any Sendable)?, _ now: Timestamp, cost: TimeSpan) {
        entries.withLock { entries in
            entries[name]?.counting = nil
            guard let figure else { return }
            entries[name]?.figure = figure
            entries[name]?.at = now
            entries[name]?.cost = cost
        }
    }
}
