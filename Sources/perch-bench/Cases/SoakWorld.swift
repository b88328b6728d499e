// SPDX-License-Identifier: Apache-2.0

import Foundation
import Perch

/// What the waits of `soak` are for, as the engine and the one who feeds it both know it.
struct SoakWorld: Sendable {
    static let variable = "PERCH_BENCH_SOAK"
    static let event = "soak"

    var directory: String
    var port: Int

    var text: String { "\(port) \(directory)" }

    init(directory: String, port: Int) {
        self.directory = directory
        self.port = port
    }

    private init?(text: String) {
        let words = text.split(separator: " ", maxSplits: 1)
        guard words.count == 2, let port = Int(words[0]) else { return nil }
        self.init(directory: String(words[1]), port: port)
    }

    /// The names of what each of a run's waits of one kind is for: `sensor_3`, `task_3`.
    static func names(perRun: Int) -> [String] {
        (0..<perRun / 8).flatMap { ["sensor_\($0)", "task_\($0)"] }
    }

    func file(_ run: String, _ name: String) -> String { "\(directory)/\(run)/\(name)" }
    func url(_ run: String, _ name: String) -> String { "http://127.0.0.1:\(port)/\(run)/\(name)" }
    func key(_ run: String, _ name: String) -> String { "\(run)/\(name)" }

    /// A DAG of `size` waits: an eighth of them of each kind in sensors, an eighth in tasks.
    static func dag(_ name: String, _ size: Int) -> DAG? {
        guard let text = ProcessInfo.processInfo.environment[variable], let world = SoakWorld(text: text) else {
            return nil
        }
        let every = Duration.milliseconds(200)
        return DAG(name, maxActiveRuns: 1_000) { dag in
            for index in 0..<size / 8 {
                let (run, sensor, task) = ("{{ run_id }}", "sensor_\(index)", "task_\(index)")
                dag.sensor("time_\(sensor)", .after(.milliseconds(20)))
                dag.sensor("file_\(sensor)", .file(world.file(run, sensor)))
                dag.sensor(
                    "http_\(sensor)",
                    .http(world.url(run, sensor), every: every, until: .json("$.state", equals: "DONE")))
                dag.sensor("event_\(sensor)", .event(event, key: world.key(run, sensor)))
                dag.task("time_\(task)") { context in try await context.sleep(for: .milliseconds(20)) }
                dag.task("file_\(task)") { context in
                    _ = try await context.wait(for: .file(world.file(context.runID, task)))
                }
                dag.task("http_\(task)") { context in
                    _ = try await context.wait(
                        for: .http(
                            world.url(context.runID, task), every: every, until: .json("$.state", equals: "DONE")))
                }
                dag.task("event_\(task)") { context in
                    _ = try await context.wait(for: .event(event, key: world.key(context.runID, task)))
                }
            }
        }
    }
}
