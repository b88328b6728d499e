// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import PerchSimulation

/// Histories that once showed a defect.
@Suite("Found by histories")
struct FoundByHistoriesTests {
    private func violations(of history: History) async -> [String] {
        // A world belongs to one thread.
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: history.run().violations) }
        }
    }

    /// 63: a bundle that died while the disk was full could not be recorded, and none was started any more.
    @Test("A seed that failed once", arguments: [63] as [UInt64])
    func seeds(seed: UInt64) async {
        #expect(await violations(of: History(seed: seed)) == [])
    }
}
