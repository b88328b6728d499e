// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("Crowds", .timeLimit(.minutes(1)))
struct CrowdTests {
    /// Descriptors of this process.
    private var descriptors: Int {
        get throws { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }
    }

    @Test("a thousand connections that say nothing keep nobody out, and leave nothing behind")
    func thousand() async throws {
        let bench = try await APIBench()
        let before = try descriptors
        var idle = try (0..<1_000).map { _ in try bench.client() }
        for number in 1...20 {
            // Some come anew, one goes on: each is answered.
            #expect(try await bench.send("GET /health").status == 200)
            #expect(try await bench.send("POST /events/a", json, "\(number)").status == 202)
        }
        let ended = idle.removeFirst()
        #expect(await ended.isEnded())
        // As many as may be there are still there, and one of them is served when it says something.
        let last = try #require(idle.last)
        #expect(await last.request("GET /health")?.status == 200)
        idle = []
        for _ in 0..<200 where try descriptors > before + 8 {
            #expect(try await bench.send("GET /health").status == 200)
        }
        #expect(try descriptors <= before + 8)
        #expect(try await bench.events().count == 20)
        try await bench.end()
    }
}
