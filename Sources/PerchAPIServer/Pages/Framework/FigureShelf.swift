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
        var counting: Task<any Sendable, any Error>?
    }

    private let entries = Mutex<[String: Entry]>([:])

    /// A figure that is no older than `age`, or else the last one, while a new one is being counted. The first one is waited for.
    ///
    /// - Parameter name: Of the figure; one name is always of one type.
    func figure<Figure: Sendable>(
        _ name: String, now: Timestamp, age: TimeSpan, count: @escaping @Sendable () async throws -> Figure
    ) async throws -> (figure: Figure, at: Timestamp) {
        let (known, task) = entries.withLock { entries in
            var entry = entries[name] ?? Entry()
            let isFresh = entry.figure != nil && now < entry.at + age && entry.at <= now
            if !isFresh, entry.counting == nil {
                entry.counting = Task { [self] in
                    do {
                        let figure = try await count()
                        note(name, figure, now)
                        return figure
                    } catch {
                        note(name, nil, now)
                        throw error
                    }
                }
                entries[name] = entry
            }
            return (entry.figure as? Figure, entry.figure == nil ? entry.counting : nil)
        }
        if let known { return (known, entries.withLock { $0[name]?.at } ?? now) }
        guard let figure = try await task?.value as? Figure else {
            throw PerchError(.unavailable, "'\(name)' could not be counted")
        }
        return (figure, now)
    }

    private func note(_ name: String, _ figure: (any Sendable)?, _ now: Timestamp) {
        entries.withLock { entries in
            entries[name]?.counting = nil
            guard let figure else { return }
            entries[name]?.figure = figure
            entries[name]?.at = now
        }
    }
}
