// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// What commands want to know of timetables in code: only the bundle of a running engine can tell.
enum TimetableQuestions {
    /// Looks again and again until the ticks are known, for ten seconds at most. False where they are not then.
    ///
    /// - Parameter isKnown: Whether they are; it asks for those that are not.
    static func wait(
        _ metastore: Metastore, until isKnown: @escaping @Sendable (Transaction) throws -> Bool
    ) async throws -> Bool {
        for _ in 0..<200 {
            if try await metastore.write(isKnown) { return true }
            try await Task.sleep(for: .milliseconds(50))
        }
        return false
    }

    /// Waits for the ticks of a span of time, where a timetable in code tells them.
    /// - Throws: `PerchError` (`unavailable`) where they are not known.
    static func requireTicks(
        of dagID: String, from: Timestamp, to: Timestamp, _ definition: DAGDefinition, _ metastore: Metastore
    ) async throws {
        guard case .timetable = definition.schedule else { return }
        let isKnown = try await wait(metastore) { try $0.wantTicks(of: dagID, from: from, to: to) }
        guard isKnown else {
            throw PerchError(
                .unavailable,
                "the dates of '\(dagID)' are told by code of its bundle, which has not answered: is an engine running?")
        }
    }
}

extension Transaction {
    /// Whether so many ticks after an instant are known; asks for those that are not.
    func knowsTicks(of dagID: String, after instant: Timestamp, count: Int) throws -> Bool {
        let ticks = try storedTicks(of: dagID)
        var last = instant
        for _ in 0..<count {
            switch ticks.next(after: last) {
            case .tick(let tick): last = tick
            case .never: return true
            case .unknown(let after):
                if try tickProblem(of: dagID) != nil { return true }
                try wantTicks(of: dagID, after: after)
                return false
            }
        }
        return true
    }
}
