// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchMetastore

/// Waits whose triggerer is lost: until another one holds all of them, and whether events that come meanwhile, or after it,
/// end theirs.
///
/// The first is killed, which the second misses at once, for it is on the same machine; then that one stands still, as one on
/// a machine that is gone seems to, and the third has to wait for the end of its lease. Each that is not lost yet has so much
/// more capacity than who comes after it that those hold nothing until then.
enum Adoption {
    static let name = "adoption"
    private static let sample = "adoption_sample"
    /// The waits that events end.
    private static let events = 100
    private static let lease = 10

    static func dags(_ size: Int) -> [DAG] {
        [
            DAG(name, maxActiveRuns: 1_000_000) { dag in
                for index in 0..<size { dag.sensor("timer_\(index)", .after(.days(1))) }
            },
            DAG(sample) { dag in
                for index in 0..<events { dag.sensor("event_\(index)", .event(sample, key: "\(index)")) }
            },
        ]
    }

    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let perRun = min(size, 1_000)
        let timers = (size + perRun - 1) / perRun * perRun
        let engine = try await EngineUnderTest(
            place, bench: name, size: perRun, room: 128,
            variables: ["PERCH__TRIGGERER__LEASE": "\(lease)s"], roles: ["scheduler", "worker"])
        let first = try engine.start("triggerer", ["--capacity", "1000000000"])
        let run = try await engine.trigger(sample)
        try await engine.trigger(name, runs: timers / perRun)
        try await engine.until("all wait", within: 600) { try $0.waitCount() >= timers + events }
        try await engine.untilArmed(timers, by: first, within: 60)

        let second = try engine.start("triggerer", ["--capacity", "100000"])
        let killed = Monotonic.seconds
        engine.kill(first)
        try await emit(engine, 0..<events / 2)
        try await engine.untilArmed(timers, by: second, within: 120)
        let afterKill = Monotonic.seconds - killed
        try await engine.until("the first events have fired", within: 30) { try $0.waitCount() <= timers + events / 2 }

        let third = try engine.start("triggerer", ["--capacity", "1"])
        try await renewal(engine, of: second)
        second.freeze()
        let end = try await engine.metastore.read { try leaseEnd($0, of: second.pid) }
        try await emit(engine, events / 2..<events)
        try await engine.untilArmed(timers, by: third, within: Double(lease) + 120)
        let afterLease = Double((engine.metastore.clock.now - end).microseconds) / 1e6
        guard afterLease >= 0 else { throw BenchError("all were adopted \(-afterLease) s before the lease had ended") }
        engine.kill(second)
        let (_, instances) = try await engine.finished(sample, run, within: 30)
        let fired = instances.count { $0.state == .success }
        try engine.stop()

        let reading = try place.readTime(Reload.reading)
        return [
            Metric(
                "after_kill", afterKill, "s", goal: .atMost(10), onServer: .atMost(10), limit: reading),
            Metric(
                "after_lease", afterLease, "s", goal: .atMost(10), onServer: .atMost(10), limit: reading),
            Metric(
                "fired", Double(fired), "count", goal: .atLeast(Double(events)), onServer: .atLeast(Double(events))),
        ]
    }

    private static func emit(_ engine: EngineUnderTest, _ keys: Range<Int>) async throws {
        _ = try await engine.metastore.write { transaction in
            try transaction.emit(keys.map { NewEvent(name: sample, key: "\($0)") })
        }
    }

    /// Returns when a triggerer has just renewed its lease: it is in no transaction for a while.
    private static func renewal(_ engine: EngineUnderTest, of triggerer: RoleUnderTest) async throws {
        let pid = triggerer.pid
        let before = try await engine.metastore.read { try leaseEnd($0, of: pid) }
        try await engine.until("the triggerer renews its lease", within: Double(lease)) {
            try leaseEnd($0, of: pid) > before
        }
        try await Task.sleep(for: .milliseconds(200))
    }

    private static func leaseEnd(_ snapshot: Snapshot, of pid: Int32) throws -> Timestamp {
        guard let row = try snapshot.triggerers().first(where: { $0.process.pid == pid }) else {
            throw BenchError("the triggerer \(pid) is not recorded any more")
        }
        return row.process.leaseUntil
    }
}
