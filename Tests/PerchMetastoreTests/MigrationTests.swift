// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore

@Suite("Metastores of earlier versions", .onEveryGround)
struct MigrationTests {
    /// Takes back what the last versions have added, so that it has to be added again.
    private func takeBack(to version: Int, _ stage: Stage) async throws {
        try await stage.store.write { transaction in
            _ = try transaction.run("DROP TABLE kept_answer")
            _ = try transaction.run("DROP TABLE rendered_field")
            _ = try transaction.run("DROP TABLE dag_source")
            _ = try transaction.run("DROP INDEX dag_version_source")
            _ = try transaction.run("ALTER TABLE dag_version DROP COLUMN source_hash")
            _ = try transaction.run("ALTER TABLE dag_version DROP COLUMN source_path")
            _ = try transaction.run("DROP TABLE login_failure")
            _ = try transaction.run("ALTER TABLE dag_run DROP COLUMN traceparent")
            _ = try transaction.run("ALTER TABLE event DROP COLUMN traceparent")
            _ = try transaction.run("ALTER TABLE journal DROP COLUMN began_at")
            _ = try transaction.run("DROP INDEX hosted_wait_worker")
            _ = try transaction.run("ALTER TABLE hosted_wait DROP COLUMN bundle")
            _ = try transaction.run("CREATE INDEX hosted_wait_worker ON hosted_wait (worker, wait_id)")
            _ = try transaction.run("DROP INDEX dag_run_pinned")
            _ = try transaction.run("ALTER TABLE dag_run DROP COLUMN bundle_version")
            _ = try transaction.run("DROP TABLE access_user")
            _ = try transaction.run("DROP TABLE access_token")
            _ = try transaction.run("DROP TABLE access_grant")
            _ = try transaction.run("DROP TABLE access_session")
            _ = try transaction.run("DROP TABLE audit_log")
            _ = try transaction.run("DELETE FROM counter WHERE name IN ('access_version', 'audit')")
            _ = try transaction.run("DROP TABLE log_chunk")
            _ = try transaction.run("DROP TABLE output_chunk")
            _ = try transaction.run("DROP TABLE worker")
            _ = try transaction.run("DROP INDEX task_instance_queued_elsewhere")
            _ = try transaction.run("DROP INDEX task_instance_queued")
            _ = try transaction.run("ALTER TABLE task_instance DROP COLUMN queue")
            _ = try transaction.run(
                """
                CREATE INDEX task_instance_queued ON task_instance (queue_class, priority DESC, fair_at, dispatch_id)
                    WHERE state = 'queued'
                """)
            if version < 8 {
                _ = try transaction.run("DROP TABLE variable")
                _ = try transaction.run("DROP TABLE connection")
                _ = try transaction.run("DROP INDEX task_instance_oversized")
            }
            _ = try transaction.run(
                "UPDATE meta SET value = :1 WHERE key = 'schema_version'", String(version))
        }
        try stage.close()
    }

    @Test("one before variables and workers has its tables after it was opened by an engine") func tables() async throws
    {
        let stage = try await Stage()
        try await takeBack(to: 7, stage)
        let again = try stage.site.open(.engine, clock: stage.clock)
        try await again.write { try $0.setVariable("a", .plain("b"), isSecret: false, description: nil) }
        #expect(try await again.read { try $0.variables().count } == 1)
        #expect(try await again.check() == [])
        try again.close()
    }

    @Test("what was queued before there were queues of tasks is taken by a worker of the default queue")
    func queued() async throws {
        let stage = try await Stage()
        var task = TaskDefinition.code("a")
        task.queue = "gpu"
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [task]))
        _ = try await stage.trigger("d")
        try await takeBack(to: 8, stage)
        let again = try stage.site.open(.engine, clock: stage.clock)
        let worker = stage.worker
        #expect(try await again.write { try $0.claim(limit: 5, worker: worker, queues: ["gpu"]) }.isEmpty)
        #expect(try await again.write { try $0.claim(limit: 5, worker: worker, queues: ["default"]) }.count == 1)
        try again.close()
    }

    @Test("what code watched for before there were several bundles is the default bundle's") func hosted() async throws
    {
        let stage = try await Stage()
        let trigger = TriggerSpec(kind: "async:Depth", target: "Depth", definition: ["queue": "a"])
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.sensor("s", trigger)]))
        _ = try await stage.trigger("d")
        try await takeBack(to: 8, stage)
        let again = try stage.site.open(.engine, clock: stage.clock)
        let worker = stage.worker
        let identity = ProcessIdentity(pid: 2, startTime: 2, bootID: "b", host: "h")
        let counts = try await again.write { transaction in
            _ = try transaction.registerWorker(identity, terms: WorkerTerms(), lease: .seconds(60))
            return try ["sales", WorkerTerms.defaultBundle].map {
                try transaction.claimHosted(worker: worker, bundle: $0, orphans: false, limit: 9).count
            }
        }
        #expect(counts == [0, 1])
        #expect(try await again.read { try $0.workers() }.map(\.terms.bundle) == ["default", "default"])
        #expect(try await again.check() == [])
        try again.close()
    }

    @Test("a schema is led to the one that is asked for, version by version, and from there on to this program's")
    func steps() async throws {
        let site = try Site(isEmpty: true)
        #expect(try site.migrate(to: 3) == (0, 3))
        #expect(try site.migrate(to: 3) == (3, 3))
        let early = #expect(throws: PerchError.self) { try site.open(.command).close() }
        #expect(early?.code == .metastore && early?.message.contains("has schema 3") == true)
        #expect(try site.migrate(to: 7) == (3, 7))
        #expect(try site.migrate() == (7, Schema.current))
        let store = try site.open(.engine)
        try await store.write { try $0.setVariable("a", .plain("b"), isSecret: false, description: nil) }
        #expect(try await store.check() == [])
        try store.close()
    }

    @Test("a schema is not led back, nor to one that there is not, and nothing has changed then")
    func back() async throws {
        let site = try Site(isEmpty: true)
        _ = try site.migrate(to: 5)
        let back = #expect(throws: PerchError.self) { try site.migrate(to: 4) }
        #expect(back?.code == .conflict && back?.message.contains("restore a copy") == true)
        for target in [0, -1, Schema.current + 1] {
            let unknown = #expect(throws: PerchError.self) { try site.migrate(to: target) }
            #expect(unknown?.code == .invalid && unknown?.message.contains("1 to \(Schema.current)") == true)
        }
        #expect(try site.migrate(to: 5) == (5, 5))
        // Nor beside the engine of a home. A server's engines may be many, and there is nothing to do.
        _ = try site.migrate()
        let store = try site.open(.engine)
        if Ground.current == .postgres {
            #expect(try site.migrate(to: Schema.current) == (Schema.current, Schema.current))
        } else {
            let busy = #expect(throws: PerchError.self) { try site.migrate(to: Schema.current) }
            #expect(busy?.code == .conflict)
        }
        try store.close()
    }

    @Test("a schema is not led on under a triggerer or a worker of an earlier program")
    func members() async throws {
        let site = try Site(isEmpty: true)
        _ = try site.migrate()
        let member = try site.open(.member)
        let earlier = String(Schema.current - 1)
        _ = try await member.write {
            try $0.run("UPDATE meta SET value = :1 WHERE key = 'schema_version'", earlier)
        }
        let busy = #expect(throws: PerchError.self) { try site.migrate() }
        #expect(busy?.code == .conflict && busy?.message.contains("on it") == true, "\(String(describing: busy))")
        let found = try await member.read { snapshot in
            try snapshot.first("SELECT value FROM meta WHERE key = 'schema_version'") { $0.text(0) }
        }
        #expect(found == earlier)
        try member.close()
    }
}
