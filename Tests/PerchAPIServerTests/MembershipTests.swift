// SPDX-License-Identifier: Apache-2.0

import Glibc
import PerchSDK
import Testing

@testable import PerchAPIServer
@testable import PerchMetastore

@Suite("API servers among the processes", .timeLimit(.minutes(1)))
struct MembershipTests {
    private func bench(lease: TimeSpan) async throws -> APIBench {
        var surroundings = APISurroundings()
        surroundings.version = "1.2.3"
        return try await APIBench(isOpen: false, surroundings: surroundings, lease: lease)
    }

    @Test("One is listed with its machine, number and version while it serves, and no longer")
    func listed() async throws {
        let bench = try await bench(lease: .seconds(90))
        func rows() async throws -> [APIServerRow] { try await bench.metastore.read { try $0.apiServers() } }
        #expect(try await rows().isEmpty)
        await bench.server.open()
        let row = try #require(try await rows().first)
        #expect(row.process.pid == getpid() && row.version == "1.2.3")
        #expect(row.process.startedAt == bench.clock.now && row.process.leaseUntil == bench.clock.now + .seconds(90))
        #expect(try await bench.metastore.check() == [])
        await bench.server.stop()
        #expect(try await rows().isEmpty)
        // What was known of it beside its row is gone, too.
        let left = try await bench.metastore.read {
            try $0.number("SELECT COUNT(*) FROM meta WHERE key LIKE 'process%'")
        }
        #expect(left == 0)
        try await bench.end()
    }

    @Test("One renews its lease, and one that was taken for dead is registered anew")
    func renewed() async throws {
        let bench = try await bench(lease: TimeSpan(microseconds: 3_000))
        await bench.server.open()
        func row(_ wanted: (APIServerRow) -> Bool) async throws -> APIServerRow {
            while true {
                if let row = try await bench.metastore.read({ try $0.apiServers() }).first, wanted(row) { return row }
                await Task.yield()
            }
        }
        let first = try await row { _ in true }
        bench.clock.now = bench.clock.now + .seconds(60)
        let renewed = try await row { $0.process.leaseUntil > first.process.leaseUntil }
        #expect(renewed.process.processID == first.process.processID)
        let forgotten = try await bench.metastore.write {
            try $0.forgetListed(ended: [first.process.processID], overdue: [])
        }
        #expect(forgotten == 1)
        let anew = try await row { $0.process.processID != first.process.processID }
        #expect(anew.version == "1.2.3")
        #expect(bench.log.text.contains("it is registered anew"))
        await bench.server.stop()
        try await bench.end()
    }
}
