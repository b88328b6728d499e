// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Synchronization

@testable import PerchBundle

/// A clock that stands.
struct FixedClock: PerchClock {
    var now: Timestamp { Timestamp(microseconds: 1_767_225_600_000_000) }
}

/// Keeps jobs until it is told to run them.
final class PatientExecutor: TaskExecutor {
    private let jobs = Mutex<[UnownedJob]>([])

    func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        jobs.withLock { $0.append(unowned) }
    }

    func runAll() {
        while let job = jobs.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}

/// Writes down what a host says.
final class Paper: BundleOutbox {
    let said = Mutex<[BundleMessage]>([])
    let drains = Mutex(0)
    let onSend = Mutex<(@Sendable (BundleMessage) -> Void)?>(nil)

    func send(_ message: BundleMessage, mayWait: Bool) throws(BundleProtocolError) {
        onSend.withLock { $0 }?(message)
        said.withLock { $0.append(message) }
    }

    func take() -> [BundleMessage] {
        said.withLock { said in
            defer { said = [] }
            return said
        }
    }
}
