// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import PerchSimulation
import Testing

@Suite("Checks")
struct ChecksTests {
    @Test("Histories worked by hand on the real transitions break no rule", arguments: 1...60 as ClosedRange<UInt64>)
    func histories(seed: UInt64) async throws {
        let engine = try await HandEngine(WorkloadGenerator.workload(seed: seed), seed: seed &* 31)
        try await engine.run()
        let violations = try engine.verdict()
        #expect(violations.isEmpty, "\(violations.prefix(3).map(\.description).joined(separator: "\n"))")
        #expect(engine.errors == [])
    }
}
