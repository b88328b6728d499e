// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK

/// Wait cycles without end: what is left of each when it is over.
///
/// A cycle is one wait, from its registration to its fire: for time, a file, an HTTP answer or an event, in a pure sensor or
/// in a task that gives up its worker and runs on. They go through a standalone with its own sensors, bundle process and
/// sockets, in runs of `perRun` cycles of which `atOnce` go on at a time. The files, answers and events come from here, and
/// every target is another one each time, so that probes, watches and connections come and go with their waits.
///
/// Two plateaus are compared, after a fifth of the cycles and at the end; nothing waits then. The first lies well behind the
/// warm-up where the size is 300,000 and more: what the triggerer remembers of probes for ten seconds, and caches. Between
/// them may grow:
/// - `descriptor_growth` and `watch_growth`: nothing. HTTP connections that are kept for the next request are no growth and
///   stand apart, as `kept_connections`: at most as many as `http.per_host` allows.
/// - `thread_growth`: 1, for the system's pool starts and ends threads by itself. The least number of several looks is taken.
/// - `resident_growth`: 8 MB, what an allocator's fragments and caches that fill late may take. In a million cycles that is
///   10 bytes a cycle, less than the smallest object takes that could be left behind by each.
/// - `database_growth`, the file and its write-ahead log: 4 MB, for free pages of the file, which are used again. Finished runs
///   and events that no run can ask for any more are removed meanwhile in the very transactions of the scheduler's cleaning,
///   which this case calls by itself, because the least that `retention.runs_days` takes is a day. A server's database is
///   only shown, for its rows are cleaned away when the server likes.
enum Soak {
    static let perRun = 160
    private static let atOnce = 6

    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let server = try JobServer()
        let world = SoakWorld(directory: place.path + "/files", port: server.port)
        let perRun = min(perRun, max(8, size / 40 / 8 * 8))
        let engine = try await EngineUnderTest(
            place, bench: "soak", size: perRun, room: 256,
            variables: [SoakWorld.variable: world.text])
        let driver = try SoakDriver(engine: engine, world: world, perRun: perRun, atOnce: atOnce)
        let runs = max((size + perRun - 1) / perRun, 5)
        try await driver.go(until: runs / 5)
        let before = try await Plateau(engine, server)
        let start = Monotonic.seconds
        try await driver.go(until: runs)
        let rate = Double((runs - runs / 5) * perRun) / (Monotonic.seconds - start)
        let after = try await Plateau(engine, server)
        try engine.stop()
        server.close()
        func growth(_ what: KeyPath<Plateau, Double>) -> Double { after[keyPath: what] - before[keyPath: what] }
        return [
            Metric(
                "resident_growth", growth(\.resident), "bytes", goal: .atMost(8e6), limit: before.resident),
            Metric("descriptor_growth", growth(\.descriptors), "count", goal: .atMost(0), limit: before.descriptors),
            Metric("kept_connections", after.connections, "count", goal: .atMost(8), limit: before.connections),
            Metric("thread_growth", growth(\.threads), "count", goal: .atMost(1), limit: before.threads),
            Metric("watch_growth", growth(\.watches), "count", goal: .atMost(0), limit: before.watches),
            Metric("database_growth", growth(\.database), "bytes", goal: .atMost(4e6), limit: before.database),
            Metric("rate", rate, "per_s", goal: .none),
        ]
    }
}

/// What an engine holds while nothing waits.
private struct Plateau {
    var resident: Double
    /// Without `connections`.
    var descriptors: Double
    /// HTTP connections that are kept for the next request.
    var connections: Double
    var threads: Double
    var watches: Double
    var database: Double

    /// The least of several looks, half a second apart: what lingers for a moment is not held.
    init(_ engine: EngineUnderTest, _ server: JobServer) async throws {
        (resident, descriptors, connections) = (.infinity, .infinity, .infinity)
        (threads, watches, database) = (.infinity, .infinity, .infinity)
        for _ in 0..<10 {
            try await Task.sleep(for: .milliseconds(500))
            let holdings = try engine.tree.holdings()
            resident = min(resident, try engine.tree.resident().all)
            descriptors = min(descriptors, Double(holdings.descriptors - server.connections))
            connections = min(connections, Double(server.connections))
            threads = min(threads, Double(holdings.threads))
            watches = min(watches, Double(holdings.watches))
            database = min(database, try engine.place.metastoreSize())
        }
    }
}
