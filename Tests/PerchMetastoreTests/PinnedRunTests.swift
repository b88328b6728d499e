// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore

@Suite("Runs that go on with the bundle that they began with", .onEveryGround)
struct PinnedRunTests {
    private func claim(_ stage: Stage, with version: String?) async throws -> [ClaimedTask] {
        let worker = stage.worker
        return try await stage.store.write { try $0.claim(limit: 10, worker: worker, bundleVersion: version) }
    }

    private func dag(_ tasks: TaskDefinition..., versioning: DAGVersioning = .pinned) -> DAGDefinition {
        var dag = DAGDefinition(dagID: "d", tasks: tasks)
        dag.versioning = versioning
        return dag
    }

    @Test("a run is pinned by the first code that begins, and what comes later is told so") func pinned() async throws {
        let stage = try await Stage()
        try await stage.deploy(dag(.code("a"), .code("b", after: [0])))
        let run = try await stage.trigger("d")
        #expect(try await stage.store.read { try $0.pinnedBundles() }.isEmpty)
        let first = try #require(try await claim(stage, with: "v1").first)
        #expect(first.bundleVersion == "v1")
        let needed = try await stage.store.read { try $0.pinnedBundles() }
        #expect(needed == [PinnedBundle(bundleVersion: "v1", runs: 1, dagID: "d", runID: "r1")])
        try await stage.succeed(first)
        let second = try #require(try await claim(stage, with: "v2").first)
        #expect(second.bundleVersion == "v1")
        try await stage.succeed(second)
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.store.read { try $0.pinnedBundles() }.isEmpty)
        _ = try await stage.trigger("d", runID: "r2")
        #expect(try await claim(stage, with: "v2").map(\.bundleVersion) == ["v2"])
        #expect(try await stage.faults() == [])
    }

    @Test("what slept is told the same version, and a worker that does not say one pins nothing") func slept()
        async throws
    {
        let stage = try await Stage()
        try await stage.deploy(dag(.code("a")))
        _ = try await stage.trigger("d")
        let first = try #require(try await claim(stage, with: nil).first)
        #expect(first.bundleVersion == nil)
        try await stage.store.write {
            try $0.requeue([(first.taskInstanceID, first.dispatchID)], asSuspects: false)
        }
        let second = try #require(try await claim(stage, with: "v1").first)
        try await stage.deferTask(second)
        _ = try await stage.store.write { transaction in
            let waits = try transaction.waits(WaitFilter())
            return try transaction.fire(
                waits.map { Firing(waitID: $0.waitID, outcome: .event(.null), by: "test") }, lease: nil)
        }
        #expect(try await claim(stage, with: "v2").map(\.bundleVersion) == ["v1"])
    }

    @Test("runs of other DAGs are pinned to nothing") func current() async throws {
        let stage = try await Stage()
        try await stage.deploy(dag(.code("a"), versioning: .current))
        _ = try await stage.trigger("d")
        #expect(try await claim(stage, with: "v1").map(\.bundleVersion) == [nil])
        #expect(try await stage.store.read { try $0.pinnedBundles() }.isEmpty)
    }

    @Test("a task that has left the DAG is run all the same: the bundle of the run has its code") func left()
        async throws
    {
        let stage = try await Stage()
        try await stage.deploy(dag(.code("a"), .code("b", after: [0])))
        let run = try await stage.trigger("d")
        let first = try #require(try await claim(stage, with: "v1").first)
        try await stage.deploy(dag(.code("a")))
        try await stage.succeed(first)
        let second = try #require(try await claim(stage, with: "v2").first)
        #expect(second.key.taskID == "b" && second.bundleVersion == "v1")
        try await stage.succeed(second)
        #expect(try await stage.states(run) == ["a": .success, "b": .success])
    }
}
