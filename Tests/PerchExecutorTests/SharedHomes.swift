// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import PerchMetastore
import PerchReactor
import PerchSDK
import Synchronization
import Testing

@testable import PerchBundle
@testable import PerchExecutor

/// The system's clock, and what has passed since by the test's word.
final class LaterClock: PerchClock {
    private let passed = Mutex<Int64>(0)

    var now: Timestamp { WallClock().now + TimeSpan(microseconds: passed.withLock { $0 }) }

    func pass(_ span: TimeSpan) { passed.withLock { $0 += span.microseconds } }
}

/// A metastore with one claimed task, and folders of several machines beside it.
final class SharedHomes: Sendable {
    let folder: String
    let store: Metastore
    let task: ClaimedTask
    private let reactor: ThreadReactor
    private let clock: LaterClock

    init() async throws {
        let clock = LaterClock()
        self.clock = clock
        folder = NSTemporaryDirectory() + "perch-shared-\(UUID().uuidString.prefix(8))"
        store = try Metastore.open(home: folder + "/home", access: .engine, clock: clock)
        let claimed = try await store.write { transaction in
            let task = TaskDefinition(taskID: "t", kind: .code(operatorName: "closure"))
            try transaction.storeDAGs(
                [DAGDefinition(dagID: "d", tasks: [task])], bundle: "default", bundleVersion: "1")
            _ = try transaction.createRun(RunRequest(dagID: "d", runID: "r1"))
            while try transaction.advanceRuns(budget: 1_000) {}
            return try transaction.claim(limit: 1, worker: 1)
        }
        task = try #require(claimed.first)
        reactor = try ThreadReactor(name: "perch-test", now: { clock.now.microseconds })
        reactor.start()
    }

    var logged: LoggedTry {
        LoggedTry(log: LogID(taskInstanceID: task.taskInstanceID, tryNumber: 1), key: task.key)
    }

    /// The logs of a worker on a machine of its own.
    func logs(
        of machine: String, isArchived: Bool = false, most: Int = 16 << 20, patience: TimeSpan = .seconds(30)
    ) -> SharedAttemptLog {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return SharedAttemptLog(
            local: AttemptLogStore(directory: "\(folder)/\(machine)/logs"), metastore: store, reactor: reactor,
            origin: machine, archive: isArchived ? archive : nil, logger: logger, most: most,
            patience: patience)
    }

    /// Time passes, once the reactor has done what it was told before.
    func pass(_ span: TimeSpan) async {
        await withCheckedContinuation { continuation in reactor.submit { continuation.resume() } }
        clock.pass(span)
        reactor.submit {}
    }

    /// The task has ended.
    func succeed() async throws {
        let report = TaskReport(
            taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID,
            outcome: .success(output: "null", items: nil))
        #expect(try await store.write { try $0.finish([report]) } == [true])
    }

    var archive: LogArchive { LogArchive(directory: folder + "/archive") }

    func parts() async throws -> [LogPart] {
        let log = logged.log
        return try await store.read { try $0.logParts(log, from: 0, limit: 1_000) }
    }

    func text() async throws -> String { try await parts().map { $0.text ?? "-" }.joined() }

    /// What the messages of a log are.
    static func messages(_ text: String) -> [String] {
        text.split(separator: "\n").map { String($0.split(separator: " ", maxSplits: 2).last ?? "") }
    }

    func close(isStoreClosed: Bool = false) throws {
        reactor.stop()
        if !isStoreClosed { try store.close() }
        try FileManager.default.removeItem(atPath: folder)
    }
}

extension LogLine {
    static func said(_ message: String) -> LogLine {
        LogLine(at: Timestamp(microseconds: 1_767_225_600_000_000), level: .info, message: message)
    }
}
