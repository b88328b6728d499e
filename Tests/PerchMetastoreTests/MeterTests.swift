// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Synchronization
import Testing

@testable import PerchMetastore

@Suite struct MeterTests {
    /// Keeps what it was told.
    private final class Notes: MetastoreMeter {
        let members = Mutex(0)
        let events = Mutex(0)
        let failures = Mutex(0)
        let uptime: Int64 = 0

        func committed(members count: Int, took: Int64, _ tally: TransactionTally, now: Timestamp) {
            members.withLock { $0 += count }
            events.withLock { $0 += tally.events }
        }

        func commitFailed() { failures.withLock { $0 += 1 } }
    }

    private struct Refusal: Error {}

    @Test func aMemberThatIsRolledBackCountsNothing() async throws {
        let home = try TemporaryHome()
        let notes = Notes()
        let store = try Metastore.open(home: home.path, access: .engine, clock: ManualClock(), meter: notes)
        let twice = NewEvent(name: "n", eventID: "1")
        _ = try await store.write { try $0.emit([twice, twice, NewEvent(name: "n")]) }
        await #expect(throws: Refusal.self) {
            try await store.write { transaction in
                _ = try transaction.emit([NewEvent(name: "n")])
                throw Refusal()
            }
        }
        try store.close()
        #expect(notes.events.withLock { $0 } == 2)
        #expect(notes.members.withLock { $0 } == 1)
        #expect(notes.failures.withLock { $0 } == 0)
    }
}
