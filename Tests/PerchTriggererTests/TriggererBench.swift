// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Logging
import PerchMetastore
import PerchReactor
import PerchSDK
import PerchTriggersEvent
import PerchTriggersFile
import PerchTriggersTime

@testable import PerchTriggerer

/// The system's clock.
struct WallClock: PerchClock {
    var now: Timestamp { Timestamp(microseconds: ThreadReactor.wallClock()) }
}

/// A home on SQLite with a triggerer, and what a test asks of them.
final class TriggererBench: Sendable {
    let home: String
    let metastore: Metastore
    let reactor: ThreadReactor
    let triggerer: Triggerer
    private let looks = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
    static let log = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    /// A triggerer on a new home, or on one that another bench has left.
    init(
        home: String? = nil, configuration: TriggererConfiguration = TriggererConfiguration(),
        uptime: @escaping @Sendable () -> Int64 = ThreadReactor.monotonicClock, log: Logger = TriggererBench.log,
        more: @escaping @Sendable (@escaping (SourceReport) -> Void) -> [any TriggerSource] = { _ in [] }
    ) throws {
        self.home = home ?? FileManager.default.temporaryDirectory.path + "/perch-triggerer-\(UUID().uuidString)"
        metastore = try Metastore.open(home: self.home, access: .engine, clock: WallClock())
        reactor = try ThreadReactor(name: "triggerer", uptime: uptime)
        reactor.start()
        triggerer = Triggerer(
            metastore: metastore, reactor: reactor, processes: SystemProcesses(), configuration: configuration,
            log: log
        ) { loop, report in
            [
                TimeSource(loop: loop, report: report), EventSource(report: report),
                FileSource(loop: loop, report: report),
            ] + more(report)
        }
        let continuation = looks.continuation
        metastore.doorbells.subscribe([.runs, .finished, .queue]) { _ in continuation.yield() }
    }

    /// Starts a run whose tasks are sensors with these triggers, all at once; gives its number.
    func run(_ dagID: String, _ sensors: [SensorDefinition], runID: String = "r") async throws -> Int64 {
        let tasks = sensors.enumerated().map { TaskDefinition(taskID: "t\($0)", kind: .sensor($1)) }
        let key = try await metastore.write { transaction in
            try transaction.storeDAGs([DAGDefinition(dagID: dagID, tasks: tasks)], bundle: dagID, bundleVersion: "1")
            return try transaction.createRun(RunRequest(dagID: dagID, runID: runID)).runKey
        }
        while try await metastore.write({ try $0.advanceRuns(budget: 5_000) }) {}
        return key
    }

    /// Waits until a run has ended; gives the states of its tasks.
    func states(of runKey: Int64, dagID: String, runID: String = "r") async throws -> [TaskState] {
        looks.continuation.yield()
        for await _ in looks.stream {
            guard let run = try await metastore.read({ try $0.run(dagID: dagID, runID: runID) }) else { break }
            if run.state.isFinished { break }
        }
        return try await metastore.read { try $0.taskInstances(runKey: runKey) }
            .sorted { $0.taskIndex < $1.taskIndex }.map(\.state)
    }

    func emit(_ name: String, key: String? = nil, _ payload: JSONValue = .null) async throws {
        _ = try await metastore.write { try $0.emit([NewEvent(name: name, key: key, payload: payload)]) }
    }

    /// Ends what runs; the home stays.
    func stop() async throws {
        await triggerer.stop()
        reactor.stop()
        try metastore.close()
    }

    func end() async throws {
        try await stop()
        try FileManager.default.removeItem(atPath: home)
    }

    // MARK: sensors

    static func time(after span: TimeSpan, timeout: TimeSpan = .seconds(60)) -> SensorDefinition {
        SensorDefinition(trigger: TriggerSpec(kind: "time", target: "later", due: .after(span)), timeout: timeout)
    }

    static func file(changed path: String) throws -> SensorDefinition {
        SensorDefinition(trigger: try TriggerSpec(FileTrigger.file(changed: path)), timeout: .seconds(60))
    }

    static func event(_ trigger: EventTrigger) throws -> SensorDefinition {
        SensorDefinition(trigger: try TriggerSpec(trigger), timeout: .seconds(60))
    }

    static func event(_ name: String, key: String? = nil, timeout: TimeSpan = .seconds(60)) -> SensorDefinition {
        var definition: [String: JSONValue] = ["name": .string(name)]
        if let key { definition["key"] = .string(key) }
        return SensorDefinition(
            trigger: TriggerSpec(kind: "event", target: name, definition: .object(definition)), timeout: timeout)
    }
}
