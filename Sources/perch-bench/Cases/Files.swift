// SPDX-License-Identifier: Apache-2.0

import CLinux
import Foundation
import PerchMetastore
import PerchSDK

/// File waits in a hundred directories: what they hold, and how long after its creation a file has fired its wait.
enum Files {
    static let directories = 100

    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let sensors = max(1, size / directories)
        let root = place.path + "/files"
        for index in 0..<directories {
            try FileManager.default.createDirectory(
                atPath: "\(root)/bench_\(index)", withIntermediateDirectories: true)
        }
        let engine = try await EngineUnderTest(
            place, bench: "files", size: sensors, room: 128, variables: [BenchBundle.placeVariable: root])
        let before = try engine.tree.resident().all
        try await engine.trigger("files", runs: directories)
        try await engine.until("all files are waited for", within: 300) {
            try $0.waitCount() >= sensors * directories
        }
        try await engine.untilArmed(sensors * directories, kind: "file", within: 120)
        // What building it all took is given back.
        _ = try await engine.processorShare(over: 5)
        let resident = try engine.tree.resident().all - before
        let holdings = try engine.tree.holdings()
        let times = try await fires(engine, root, sensors, count: min(1_000, sensors * directories)).sorted()
        try engine.stop()
        let limit = try inotifyLatency(in: place.path)
        return [
            Metric("watches", Double(holdings.watches), "count", goal: .atMost(Double(directories) + 1)),
            Metric(
                "resident_more", resident, "bytes", goal: .atMost(100e6 * Double(size) / 100_000 + 10e6),
                limit: Double(size) * 16),
            Metric("fire_p50", times[times.count / 2], "ms", goal: .none, limit: limit.p50),
            Metric(
                "fire_p99", times[min(times.count - 1, times.count * 99 / 100)], "ms", goal: .atMost(10),
                limit: limit.p99),
        ]
    }

    /// Creates files one after another, 2 ms apart; gives the times until their sensors had ended, in ms.
    private static func fires(
        _ engine: EngineUnderTest, _ root: String, _ sensors: Int, count: Int
    ) async throws -> [Double] {
        var created: [String: Int64] = [:]
        for number in 0..<count {
            // Each in another directory than the one before.
            let (run, sensor) = ("bench_\(number % directories)", "file_\(number / directories)")
            created["\(run)/\(sensor)"] = WallClock().now.microseconds
            let descriptor = open("\(root)/\(run)/\(sensor)", O_CREAT | O_WRONLY | O_CLOEXEC, 0o644)
            guard descriptor >= 0 else { throw BenchError("cannot make a file in \(root)/\(run)") }
            close(descriptor)
            try await Task.sleep(for: .milliseconds(2))
        }
        let left = sensors * directories - count
        try await engine.until("all files have fired", within: 60) { try $0.waitCount() <= left }
        let ended = try await engine.metastore.read { snapshot in
            var ended: [String: Int64] = [:]
            for index in 0..<directories {
                guard let run = try snapshot.run(dagID: "files", runID: "bench_\(index)") else { continue }
                for row in try snapshot.taskInstances(runKey: run.runKey) {
                    guard let end = row.endDate else { continue }
                    ended["bench_\(index)/\(row.key.taskID)"] = end.microseconds
                }
            }
            return ended
        }
        return try created.map { name, start in
            guard let end = ended[name] else { throw BenchError("\(name) has not ended") }
            return Double(end - start) / 1e3
        }
    }

    /// From the creation of a file until inotify has told of it, in ms.
    private static func inotifyLatency(in directory: String) throws -> (p50: Double, p99: Double) {
        let path = directory + "/raw-inotify"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        let queue = inotify_init1(Int32(IN_CLOEXEC))
        defer { close(queue) }
        guard queue >= 0, inotify_add_watch(queue, path, UInt32(IN_CREATE)) >= 0 else {
            throw BenchError("cannot watch \(path)")
        }
        var buffer = [UInt8](repeating: 0, count: 4_096)
        var times: [Double] = []
        for number in 0..<1_000 {
            let start = Monotonic.nanoseconds
            close(open("\(path)/\(number)", O_CREAT | O_WRONLY | O_CLOEXEC, 0o644))
            guard read(queue, &buffer, buffer.count) > 0 else { throw BenchError("inotify said nothing") }
            times.append(Double(Monotonic.nanoseconds - start) / 1e6)
        }
        times.sort()
        return (times[times.count / 2], times[times.count * 99 / 100])
    }
}
