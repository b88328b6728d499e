// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

/// Roles in processes and homes of their own, on one server.
private final class Offices {
    let folder: Folder
    let server: PostgresCluster
    let program: Program
    private var started = 0

    /// - Parameter search: What the roles' connections have for a search path; nil: the usual one.
    init(search: String? = nil) throws {
        folder = try Folder()
        server = try PostgresCluster(trusting: true, connections: 90)
        let options = search.map { "&options=-csearch_path%3D\($0)" } ?? ""
        program = Program(
            "perch",
            environment: [
                "PERCH_HOME": folder.path + "/none", "PERCH__SCHEDULER__LEASE": "1s", "PERCH__WORKER__LEASE": "1s",
                "PERCH__METASTORE__URL":
                    "postgresql://perch@/postgres?host=\(server.folder)&port=\(server.port)\(options)",
            ])
        try FileManager.default.createDirectory(atPath: folder.path + "/dags", withIntermediateDirectories: true)
    }

    func dag(_ id: String, _ text: String) throws {
        try Data("id: \(id)\n\(text.replacing("FOLDER", with: folder.path))\n".utf8)
            .write(to: URL(filePath: folder.path + "/dags/\(id).yaml"))
    }

    func start(_ role: String, _ arguments: String...) throws -> RunningEngine {
        started += 1
        return try RunningEngine(
            program, role: role, home: "\(folder.path)/home-\(started)", log: "\(folder.path)/\(role)-\(started).log",
            arguments: arguments + (role == "worker" ? ["--dags", folder.path + "/dags"] : []))
    }

    func json(_ arguments: String...) throws -> JSONValue {
        let outcome = try program.run(arguments + ["-o", "json"])
        #expect(outcome.code == 0, "\(outcome)")
        return try JSONValue(parsing: outcome.output)
    }

    /// The processes that are listed as schedulers, with their states.
    func schedulers() throws -> [Int64: String] {
        guard case .array(let rows) = try json("jobs", "list", "--job-type", "scheduler") else { return [:] }
        var found: [Int64: String] = [:]
        for row in rows {
            guard case .integer(let pid)? = row["pid"], case .string(let state)? = row["state"] else { continue }
            found[pid] = state
        }
        return found
    }

    /// Looks again and again until something holds, for a minute and a half at most.
    func until(_ what: String, _ holds: () throws -> Bool) throws {
        let end = ContinuousClock.now + .seconds(90)
        while ContinuousClock.now < end {
            if try holds() { return }
            usleep(10_000)  // because another process changes it, of which nobody tells this one
        }
        let states = try server.select(
            "SELECT dag_id, state, COUNT(*) FROM dag_run GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 20")
        Issue.record("never: \(what); \(states)")
    }

    func end() {
        server.stop()
        folder.remove()
    }
}

@Suite(
    "Several schedulers, each with a home of its own, on one server", .enabled(if: PostgresCluster.programs != nil),
    .serialized, .timeLimit(.minutes(3)))
struct SchedulersTests {
    @Test("one is killed while both create runs: every run is there once, and the other ends them all")
    func killed() throws {
        let place = try Offices()
        defer { place.end() }
        for number in 0..<80 {
            try place.dag(
                "d\(number)",
                """
                schedule: "@once"
                tasks:
                - {id: a, sensor: {time: {after: 10ms}}}
                - {id: b, after: a, sensor: {time: {after: 10ms}}}
                """)
        }
        try place.dag(
            "told",
            """
            schedule: {event: order}
            max_active_runs: 100
            tasks:
            - {id: a, sensor: {time: {after: 10ms}}}
            """)
        let schedulers = [try place.start("scheduler"), try place.start("scheduler")]
        let triggerer = try place.start("triggerer")
        #expect(
            try place.schedulers() == [Int64(schedulers[0].pid): "active", Int64(schedulers[1].pid): "active"])
        let elsewhere = try place.json("info")["engine"]
        #expect(
            elsewhere.map { "\($0)" }?.contains("running elsewhere: ") == true
                && elsewhere.map { "\($0)" }?.contains("\(schedulers[0].pid)") == true, "\(elsewhere ?? .null)")
        let worker = try place.start("worker")
        let events = (0..<100).map { #"{"name": "order", "id": "\#($0)"}"# }.joined(separator: "\n")
        #expect(try place.program("events", "emit", "--stdin", input: events).code == 0)
        schedulers[0].kill()
        try place.until("all runs have succeeded") {
            try place.server.select("SELECT COUNT(*) FROM dag_run WHERE state = 'success'") == "180"
        }
        #expect(try place.server.select("SELECT COUNT(*) FROM dag_run") == "180")
        #expect(try place.server.select("SELECT COUNT(*) FROM dag_run WHERE dag_id = 'told'") == "100")
        #expect(
            try place.server.select(
                "SELECT COUNT(*) FROM (SELECT dag_id FROM dag_run WHERE dag_id <> 'told' GROUP BY 1 HAVING COUNT(*) = 1) x"
            ) == "80")
        try place.until("the killed one is forgotten") {
            try place.schedulers() == [Int64(schedulers[1].pid): "active"]
        }
        for role in [worker, triggerer, schedulers[1]] { #expect(role.stop() == 0, "\(role.text)") }
        #expect(try place.schedulers().isEmpty)
        #expect(try place.json("info")["engine"] == "not running")
        #expect(try place.program("db", "check").code == 0)
    }

    @Test("one that stood still past its lease is forgotten, and registers anew; a standalone is one more")
    func frozen() throws {
        let place = try Offices()
        defer { place.end() }
        let frozen = try place.start("scheduler")
        let other = try place.start("standalone")
        frozen.freeze()
        try place.until("it is forgotten") { try place.schedulers() == [Int64(other.pid): "active"] }
        frozen.thaw()
        try place.until("it is there again") { try place.schedulers().count == 2 }
        #expect(frozen.text.contains("was taken for dead; it is registered anew"), "\(frozen.text)")
        for role in [other, frozen] { #expect(role.stop() == 0, "\(role.text)") }
    }

    @Test("one whose session is cut says so and goes on; one whose metastore was migrated meanwhile ends, and says why")
    func fenced() throws {
        let place = try Offices()
        defer { place.end() }
        let scheduler = try place.start("scheduler")
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1885696102"
        try place.server.execute(cut)
        try place.until("it has a session again") {
            scheduler.text.contains("has a session at the metastore's server again")
        }
        #expect(scheduler.text.contains("holds this process's place at the metastore's server is lost"))
        #expect(try place.schedulers() == [Int64(scheduler.pid): "active"])
        try place.server.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'; " + cut)
        try place.until("it has ended") { scheduler.code != nil }
        #expect(scheduler.code == 1)
        #expect(scheduler.text.contains("was brought to schema 99"), "\(scheduler.text)")
    }

    @Test("on machines whose clock is hours behind the server's, nobody is fenced, and no wait is early or late")
    func hoursBehind() throws {
        let place = try Offices(search: "public,pg_catalog")
        defer { place.end() }
        try place.server.execute(
            """
            CREATE FUNCTION public.clock_timestamp() RETURNS TIMESTAMPTZ LANGUAGE sql VOLATILE AS
            'SELECT pg_catalog.clock_timestamp() + INTERVAL ''3 hours'''
            """)
        try place.dag(
            "d",
            """
            tasks:
            - {id: waits, sensor: {time: {after: 300ms}}}
            - {id: works, after: waits, bash: "echo done > FOLDER/done"}
            - {id: written, after: works, sensor: {file: {path: FOLDER/done, stable_for: 100ms}}}
            - {id: far, sensor: {time: {after: 2h}}}
            """)
        let scheduler = try place.start("scheduler")
        let triggerer = try place.start("triggerer", "--set", "triggerer.lease=2s")
        let worker = try place.start("worker")
        let triggered = try place.program("dags", "trigger", "d", "--run-id", "r")
        #expect(triggered.code == 0, "\(triggered) \(worker.text)")
        try place.until("three have succeeded") {
            try place.server.select("SELECT COUNT(*) FROM task_instance WHERE state = 'success'") == "3"
        }
        // Neither the server's three hours nor the machine's make the two hours pass.
        #expect(try place.server.select("SELECT COUNT(*) FROM task_instance WHERE state = 'deferred'") == "1")
        let due = try place.server.select("SELECT due_at / 1000000 - EXTRACT(EPOCH FROM now())::BIGINT FROM wait")
        #expect((Int(due) ?? 0) > 4 * 3_600 && (Int(due) ?? 0) < 6 * 3_600, "\(due)")
        for role in [scheduler, triggerer, worker] {
            #expect(role.text.contains("this machine's clock is behind that of the metastore's server"), "\(role.text)")
            #expect(!role.text.contains("waits was lost") && !role.text.contains("joins anew"), "\(role.text)")
        }
        #expect(try place.json("worker", "list").list.first?["state"] == "active")
        for role in [worker, triggerer, scheduler] { #expect(role.stop() == 0, "\(role.text)") }
    }
}
