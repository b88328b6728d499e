// SPDX-License-Identifier: Apache-2.0

import Foundation
import Perch
import PerchMetastore
import ProgramTestSupport

/// Pages, reads and events over HTTP, where a million waits, a hundred thousand runs and a thousand DAGs are.
enum Web {
    static let name = "web"
    private static let waiting = "web-waiting"
    private static let sensors = 1_000
    private static let dagCount = 1_000
    /// For each million of waits.
    private static let runCount = 100_000
    private static let token = "bench-0123456789abcdef"

    static func dags() -> [DAG] {
        let waits = DAG(waiting, maxActiveRuns: 1_000_000) { dag in
            for index in 0..<sensors { dag.sensor("timer_\(index)", .after(.days(1))) }
        }
        return [waits]
            + (1..<dagCount).map { index in
                DAG("web-\(index)", maxActiveRuns: 1_000_000) { dag in
                    dag.sensor("once", .after(.milliseconds(1)))
                }
            }
    }

    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let port = try FreePort.find()
        let keys = place.path + "/tokens"
        try Data("\(token) admin\n".utf8).write(to: URL(filePath: keys))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: keys)
        let load = try WebLoad(port: port, token: token, directory: place.path)
        let engine = try await EngineUnderTest(
            place, bench: name, size: size, room: 10_000,
            variables: ["PERCH__API__LISTEN": "127.0.0.1:\(port)", "PERCH__API__TOKEN_FILE": keys])
        try await fill(engine, size)
        let sample = try await engine.metastore.read { snapshot in
            var filter = WaitFilter()
            filter.limit = 1
            guard let wait = try snapshot.waits(filter).first else { throw BenchError("nothing waits") }
            return wait.waitID
        }
        // What came before is written and given back.
        try await Task.sleep(for: .seconds(5))
        var metrics = try await pages(load, port, wait: sample)
        metrics += try reads(load)
        metrics += try events(load, place)
        try engine.stop()
        return metrics
    }

    private static func fill(_ engine: EngineUnderTest, _ size: Int) async throws {
        let waitRuns = (size + sensors - 1) / sensors
        try await engine.trigger(waiting, runs: waitRuns)
        try await engine.until("all timers wait", within: 600) { try $0.waitCount() >= waitRuns * sensors }
        let each = max(1, runCount * size / 1_000_000 / dagCount)
        for first in stride(from: 1, to: dagCount, by: 50) {
            try await engine.metastore.write { transaction in
                for dag in first..<min(first + 50, dagCount) {
                    for run in 0..<each {
                        _ = try transaction.createRun(RunRequest(dagID: "web-\(dag)", runID: "bench_\(run)"))
                    }
                }
            }
        }
        try await engine.until("all short runs have ended", within: 600) { snapshot in
            try snapshot.runCounts().reduce(0) { $0 + ($1.state == .success ? $1.count : 0) } >= each * (dagCount - 1)
        }
    }

    private static func pages(_ load: WebLoad, _ port: Int, wait: Int64) async throws -> [Metric] {
        let paths = [
            "/", "/dags", "/dags/\(waiting)", "/dags/\(waiting)/graph", "/dags/\(waiting)/runs/bench_0", "/dags/web-1",
            "/runs", "/tasks", "/deferred", "/deferred?kind=time", "/deferred?dag_id=\(waiting)", "/deferred/\(wait)",
            "/jobs", "/inbox", "/assets", "/backfills", "/audit",
        ]
        var metrics: [Metric] = []
        var heaviest = 0
        for path in paths {
            guard
                let answer = try await WebClient(port: port).request(
                    "GET \(path)", ["Authorization": "Bearer \(token)"])
            else { throw BenchError("nothing is answered to \(path)") }
            guard answer.status == 200 else { throw BenchError("\(path) is answered with \(answer.status)") }
            heaviest = max(heaviest, answer.body.utf8.count)
            let told = try load.send(connections: 1, seconds: 3, "return 'GET', '\(path)'")
            try refuseFailures(told, path)
            metrics.append(Metric("first_byte_p95 \(path)", told.p95, "ms", goal: .atMost(100), onServer: .atMost(100)))
        }
        metrics.append(Metric("page_weight", Double(heaviest), "bytes", goal: .atMost(150_000)))
        return metrics
    }

    private static func reads(_ load: WebLoad) throws -> [Metric] {
        let one = try load.send(
            connections: 16, seconds: 8, "return 'GET', '/api/v2/dags/web-' .. (n % 900 + 1) .. '/dagRuns/bench_0'")
        try refuseFailures(one, "a run")
        let list = try load.send(connections: 16, seconds: 5, "return 'GET', '/api/v2/deferred?limit=50'")
        try refuseFailures(list, "a list of waits")
        return [
            Metric("reads", one.rate, "per_s", goal: .atLeast(5_000)),
            Metric("reads_p95", one.p95, "ms", goal: .none),
            Metric("lists", list.rate, "per_s", goal: .none),
        ]
    }

    private static func events(_ load: WebLoad, _ place: Place) throws -> [Metric] {
        let lines = 1_000
        let one = try load.send(
            connections: 64, seconds: 8,
            "return 'POST', '/events/bench?key=' .. n, '{\"n\": ' .. n .. '}', 'application/json'")
        try refuseFailures(one, "an event")
        let batch = try load.send(
            connections: 4, seconds: 8,
            """
            local lines = {}
            for i = 1, \(lines) do lines[i] = '{"key":"' .. n .. '/' .. i .. '"}' end
            return 'POST', '/events/bench', table.concat(lines, '\\n'), 'application/x-ndjson'
            """)
        try refuseFailures(batch, "a batch of events")
        let limit = try place.rates().insert
        return [
            Metric("events", one.rate, "per_s", goal: .atLeast(10_000), limit: limit),
            Metric("events_p95", one.p95, "ms", goal: .none),
            Metric("events_batch", batch.rate * Double(lines), "per_s", goal: .atLeast(50_000), limit: limit),
        ]
    }

    private static func refuseFailures(_ answer: WebLoad.Answer, _ what: String) throws {
        guard answer.failures == 0 else { throw BenchError("\(answer.failures) requests for \(what) failed") }
    }
}
