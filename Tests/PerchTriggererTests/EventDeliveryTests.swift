// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchReactor
import PerchSDK
import PerchTriggersEvent
import Testing

@testable import PerchTriggerer

@Suite("Events for one wait, and states, on SQLite", .serialized, .timeLimit(.minutes(1)))
struct EventDeliveryTests {
    private func one() throws -> SensorDefinition {
        try TriggererBench.event(.event("job", delivery: .one))
    }

    private func consumers(_ bench: TriggererBench, _ count: Int64) async throws -> [String] {
        try await bench.metastore.read { snapshot in
            try (1...count).compactMap { try snapshot.consumer(ofEvent: $0) }
        }
    }

    @Test("Each of as many events as waits ends one of them, whether it came before the wait was armed or after")
    func each() async throws {
        let bench = try TriggererBench()
        let run = try await bench.run("d", [one(), one(), one(), one(), TriggererBench.event("job")])
        try await bench.emit("job")
        try await bench.emit("job")
        await bench.triggerer.start()
        try await bench.emit("job")
        try await bench.emit("job")
        #expect(try await bench.states(of: run, dagID: "d").allSatisfy { $0 == .success })
        let consumers = try await consumers(bench, 4)
        #expect(Set(consumers) == ["d/r/t0 try 1", "d/r/t1 try 1", "d/r/t2 try 1", "d/r/t3 try 1"])
        #expect(await bench.triggerer.summary().waits == ["event": 0, "file": 0, "time": 0])
        try await bench.end()
    }

    @Test("Two triggerers that race for events give each to one wait, and none is lost")
    func race() async throws {
        let bench = try TriggererBench()
        await bench.triggerer.start()
        let member = try Metastore.open(home: bench.home, access: .member, clock: WallClock())
        let reactor = try ThreadReactor(name: "second", uptime: ThreadReactor.monotonicClock)
        reactor.start()
        let second = Triggerer(
            metastore: member, reactor: reactor, processes: SystemProcesses(),
            configuration: TriggererConfiguration(), log: TriggererBench.log
        ) { _, report in [EventSource(report: report)] }
        await second.start()
        // Waits of a name with and without a key lie in shards of their own, and want the same events.
        let names = (0..<8).map { "job\($0)" }
        var sensors: [SensorDefinition] = []
        for name in names {
            for key in ["k", nil, "k", nil] {
                sensors.append(try TriggererBench.event(.event(name, key: key, delivery: .one)))
            }
        }
        let run = try await bench.run("d", sensors)
        for _ in 0..<4 {
            _ = try await member.write { try $0.emit(names.map { NewEvent(name: $0, key: "k") }) }
        }
        #expect(try await bench.states(of: run, dagID: "d").allSatisfy { $0 == .success })
        #expect(Set(try await consumers(bench, Int64(sensors.count))).count == sensors.count)
        await second.stop()
        reactor.stop()
        try member.close()
        try await bench.end()
    }

    @Test("A state that holds meets a level wait at once; one that was followed by another does not")
    func level() async throws {
        let bench = try TriggererBench()
        try await bench.emit("door", key: "a", ["open": true])
        try await bench.emit("door", key: "b", ["open": true])
        try await bench.emit("door", key: "b", ["open": false])
        let open = JSONCondition.json("$.open", .equals(true))
        let met = try await bench.run(
            "met",
            [
                try TriggererBench.event(.event("door", key: "a", where: open, mode: .level))
            ])
        let unmet = try await bench.run(
            "unmet",
            [
                try TriggererBench.event(.event("door", key: "b", where: open, mode: .level))
            ])
        await bench.triggerer.start()
        #expect(try await bench.states(of: met, dagID: "met") == [.success])
        #expect(try await bench.metastore.read { try $0.taskInstances(runKey: unmet) }.map(\.state) == [.deferred])
        try await bench.emit("door", key: "b", ["open": true])
        #expect(try await bench.states(of: unmet, dagID: "unmet") == [.success])
        try await bench.end()
    }
}
