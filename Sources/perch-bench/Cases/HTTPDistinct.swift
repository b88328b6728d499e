// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK

/// HTTP waits on distinct addresses of one host, each asked once a second; and how many probes a second there can be.
enum HTTPDistinct {
    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let steady = try await probes(place.inner("steady"), size, every: 1_000)
        let saturated = try await probes(place.inner("saturated"), size, every: 100)
        let share = Double(size) / 10_000
        return [
            Metric("rate", steady.rate, "per_s", goal: .atLeast(9_900 * share)),
            Metric("late", Double(steady.late), "count", goal: .atMost(0)),
            Metric("cpu", steady.cpu, "percent", goal: .atMost(80), limit: try load(rate: steady.rate)),
            Metric("saturated", saturated.rate, "per_s", goal: .none),
            Metric("saturated_cpu", saturated.cpu, "percent", goal: .none),
        ]
    }

    private static func probes(
        _ place: Place, _ size: Int, every milliseconds: Int
    ) async throws -> (rate: Double, late: Int, cpu: Double) {
        let sensors = min(size, 1_000)
        let runs = (size + sensors - 1) / sensors
        let server = try PollServer(targets: runs * sensors)
        let engine = try await EngineUnderTest(
            place, bench: "http-distinct", size: sensors, room: 128,
            variables: [
                BenchBundle.placeVariable: "http://127.0.0.1:\(server.port)",
                BenchBundle.periodVariable: "\(milliseconds)", "PERCH__HTTP__PER_HOST": "64",
                "PERCH__HTTP__PER_HOST_RATE": "0",
            ])
        try await engine.trigger("http-distinct", runs: runs)
        try await engine.until("all addresses are waited for", within: 120) { try $0.waitCount() >= runs * sensors }
        try await engine.untilArmed(runs * sensors, kind: "http", within: 60)
        // First probes are spread over a period; then all run.
        try await Task.sleep(for: .seconds(4))
        server.begin(period: Double(milliseconds) / 1_000)
        let start = Monotonic.seconds
        let cpu = try await engine.processorShare(over: 20)
        let (count, late) = server.end()
        let rate = Double(count) / (Monotonic.seconds - start)
        try engine.stop()
        server.close()
        return (rate, late, cpu)
    }

    /// The CPU that `wrk` takes for as many requests a second, in percent; nil where it is not installed.
    private static func load(rate: Double) throws -> Double? {
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/wrk") else { return nil }
        let server = try PollServer(targets: 1)
        defer { server.close() }
        server.begin(period: 1)
        var before = rusage()
        getrusage(RUSAGE_CHILDREN.rawValue, &before)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/wrk")
        process.arguments = ["-t1", "-c16", "-d5", "http://127.0.0.1:\(server.port)/bench_0/0"]
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        var after = rusage()
        getrusage(RUSAGE_CHILDREN.rawValue, &after)
        func seconds(_ usage: rusage) -> Double {
            Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
                + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
        }
        let (count, _) = server.end()
        guard count > 0 else { return nil }
        return (seconds(after) - seconds(before)) / Double(count) * rate * 100
    }
}

/// HTTP waits on one address, with a hundred conditions and periods: one probe serves them all.
enum HTTPShared {
    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let sensors = min(size, 100)
        let runs = (size + sensors - 1) / sensors
        let server = try PollServer(targets: 1)
        let engine = try await EngineUnderTest(
            place, bench: "http-shared", size: sensors, room: 128,
            variables: [BenchBundle.placeVariable: "http://127.0.0.1:\(server.port)"])
        try await engine.trigger("http-shared", runs: runs)
        try await engine.until("all wait", within: 120) { try $0.waitCount() >= runs * sensors }
        try await engine.untilArmed(runs * sensors, kind: "http", within: 60)
        try await Task.sleep(for: .seconds(3))
        server.begin(period: 1)
        let start = Monotonic.seconds
        let cpu = try await engine.processorShare(over: 20)
        let (count, _) = server.end()
        let periods = Monotonic.seconds - start
        try engine.stop()
        server.close()
        // A period is a second, give or take a tenth.
        return [
            Metric("requests_per_period", Double(count) / periods, "count", goal: .atMost(1.1), limit: 1),
            Metric("cpu", cpu, "percent", goal: .none),
        ]
    }
}
