// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchReactor
import PerchSDK
import Testing

private struct StillClock: PerchClock {
    let now = Timestamp(microseconds: 0)
}

/// A role in small: an actor on a reactor of its own.
private actor Role {
    nonisolated let reactor: any Reactor
    nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }
    private let metastore: Metastore

    init(_ metastore: Metastore) throws {
        self.metastore = metastore
        reactor = try ThreadReactor(name: "role")
        reactor.start()
    }

    /// Whether each answer, of writes and reads that succeed and that throw, was taken on the reactor's own thread.
    func answersOnOwnThread() async -> [Bool] {
        var found: [Bool] = []
        for isFailing in [true, false, true, true] {
            do {
                _ = try await metastore.write { _ in if isFailing { throw PerchError(.invalid, "no") } }
                found.append(reactor.isCurrent)
            } catch {
                found.append(reactor.isCurrent)
            }
            do {
                _ = try await metastore.read { _ in if isFailing { throw PerchError(.invalid, "no") } }
                found.append(reactor.isCurrent)
            } catch {
                found.append(reactor.isCurrent)
            }
        }
        return found
    }
}

@Suite("Roles stay on their threads")
struct IsolationTests {
    // It failed in release builds only: `.ci/run-full` runs it there.
    @Test("A role takes the metastore's answers, errors too, on its own thread")
    func errors() async throws {
        let home = NSTemporaryDirectory() + "perch-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: home) }
        let store = try Metastore.open(home: home, access: .engine, clock: StillClock())
        let role = try Role(store)
        #expect(await role.answersOnOwnThread().allSatisfy { $0 })
        role.reactor.stop()
        try store.close()
    }
}
