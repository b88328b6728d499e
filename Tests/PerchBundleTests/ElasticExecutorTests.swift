// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import PerchBundle

@Suite("The threads for the code of tasks")
struct ElasticExecutorTests {
    @Test("a job gets a thread though the one that slept has been called for another, which holds it")
    func calledTwice() async {
        for _ in 0..<50 {
            let executor = ElasticExecutor(threads: 1)
            defer { executor.shutDown() }
            // A thread that has had a job, and sleeps.
            await Task(executorPreference: executor) {}.value
            let opened = DispatchSemaphore(value: 0)
            let first = Task(executorPreference: executor) { Self.isOpened(opened) }
            let second = Task(executorPreference: executor) { _ = opened.signal() }
            #expect(await first.value, "the second job waited for the end of the first")
            await second.value
        }
    }

    /// Holds its thread as code that blocks does.
    private static func isOpened(_ opened: DispatchSemaphore) -> Bool { opened.wait(timeout: .now() + 5) == .success }
}
