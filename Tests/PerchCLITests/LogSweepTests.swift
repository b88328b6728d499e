// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import PerchMetastore
import PerchReactor
import PerchSDK
import ProgramTestSupport
import Synchronization
import Testing

@testable import PerchCLI

/// The machine's clock, and what has passed since by the test's word.
private final class LaterClock: PerchClock {
    private let passed = Mutex<Int64>(0)

    var now: Timestamp { SystemClock().now + TimeSpan(microseconds: passed.withLock { $0 }) }

    func pass(_ span: TimeSpan) { passed.withLock { $0 += span.microseconds } }
}

@Suite("Old logs")
struct LogSweepTests {
    @Test("the logs of a run go when the metastore has forgotten it and they are old, and not before")
    func sweep() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let metastore = try Metastore.open(home: folder.path, access: .engine, clock: SystemClock())
        try await metastore.write { transaction in
            try transaction.storeDAGs([DAGDefinition(dagID: "orders")], bundle: "default", bundleVersion: "1")
            _ = try transaction.createRun(RunRequest(dagID: "orders", runID: "known"))
        }
        let logs = folder.path + "/logs"
        for run in ["known", "gone", "odd%20id"] {
            let path = "\(logs)/dag_id=orders/run_id=\(run)/task_id=t"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try Data("x\n".utf8).write(to: URL(filePath: path + "/attempt=1.log"))
        }
        let clock = LaterClock()
        let sweep = LogSweep(
            metastore: metastore, directory: logs, keep: .seconds(60), reactor: try ThreadReactor(name: "test"),
            clock: clock, log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        #expect(try await sweep.sweep() == 0)
        clock.pass(.seconds(120))
        #expect(try await sweep.sweep() == 2)
        #expect(try FileManager.default.contentsOfDirectory(atPath: logs + "/dag_id=orders") == ["run_id=known"])
        try metastore.close()
    }
}
