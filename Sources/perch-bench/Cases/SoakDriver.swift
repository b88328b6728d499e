// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK

/// Starts the runs of `soak`, gives them what they wait for, and clears up behind them.
final class SoakDriver {
    private struct Run {
        var id: String
        var startedAt: Timestamp
        var since: Double
        var isFed = false
    }

    /// So long after its start a run is given what it waits for, in seconds: most of its waits are watched for by then.
    private static let feedAfter = 0.15
    private static let cleanEvery = 1.0
    private static let patience = 120.0

    private let engine: EngineUnderTest
    private let world: SoakWorld
    private let names: [String]
    private let atOnce: Int
    private let events: LineSocket
    private var runs: [Run] = []
    private var started = 0
    private var cleanedAt = 0.0

    init(engine: EngineUnderTest, world: SoakWorld, perRun: Int, atOnce: Int) throws {
        self.engine = engine
        self.world = world
        self.atOnce = atOnce
        names = SoakWorld.names(perRun: perRun)
        events = try LineSocket(path: engine.place.home + "/events.sock")
        try FileManager.default.createDirectory(atPath: world.directory, withIntermediateDirectories: true)
    }

    /// Returns when so many runs have been started in all, every one has ended, and what is left of them is removed.
    func go(until count: Int) async throws {
        while started < count || !runs.isEmpty {
            while started < count, runs.count < atOnce { try await start() }
            for index in runs.indices where !runs[index].isFed {
                guard Monotonic.seconds - runs[index].since > Self.feedAfter else { continue }
                try feed(runs[index].id)
                runs[index].isFed = true
            }
            try await collect()
            if Monotonic.seconds - cleanedAt > Self.cleanEvery { try await clean() }
            try await Task.sleep(for: .milliseconds(10))
        }
        try await clean()
    }

    private func start() async throws {
        let id = "soak_\(started)"
        let at = WallClock().now
        _ = try await engine.metastore.write { try $0.createRun(RunRequest(dagID: "soak", runID: id)) }
        started += 1
        runs.append(Run(id: id, startedAt: at, since: Monotonic.seconds))
    }

    /// The directory comes with its files, so that waits begin with one that is not there.
    private func feed(_ run: String) throws {
        let directory = "\(world.directory)/\(run)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        for name in names {
            guard FileManager.default.createFile(atPath: world.file(run, name), contents: nil) else {
                throw BenchError("cannot create a file in \(directory)")
            }
        }
        for name in names { try events.send(#"{"name":"\#(SoakWorld.event)","key":"\#(world.key(run, name))"}"#) }
        for _ in names {
            let answer = try events.receive()
            guard answer.contains("\"seq\"") else { throw BenchError("an event was refused: \(answer)") }
        }
    }

    private func collect() async throws {
        guard engine.isRunning else { throw BenchError("the engine ended after \(started) runs") }
        let ids = runs.map(\.id)
        let rows = try await engine.metastore.read { snapshot in
            try ids.map { try snapshot.run(dagID: "soak", runID: $0) }
        }
        for row in rows {
            guard let row else { throw BenchError("a run is gone") }
            guard row.state.isFinished else { continue }
            guard row.state == .success else { throw BenchError("run \(row.runID) ended as \(row.state.rawValue)") }
            runs.removeAll { $0.id == row.runID }
            try FileManager.default.removeItem(atPath: "\(world.directory)/\(row.runID)")
        }
        if let late = runs.first(where: { Monotonic.seconds - $0.since > Self.patience }) {
            throw BenchError("run \(late.id) has not ended within \(Int(Self.patience)) s")
        }
    }

    /// Removes what no run needs any more, as the scheduler does once an hour.
    private func clean() async throws {
        cleanedAt = Monotonic.seconds
        let before = runs.map(\.startedAt).min() ?? WallClock().now
        while try await engine.metastore.write({
            try $0.clean(runsBefore: before, eventsBefore: before, limit: 1_000)
        }) {}
    }
}
