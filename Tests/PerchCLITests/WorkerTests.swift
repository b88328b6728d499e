// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

/// A home whose scheduler, triggerer and workers are processes of their own.
final class Workplace {
    let folder: Folder
    let program: Program
    /// Whether each role has a home of its own, as on machines of their own.
    private let areApart: Bool
    private var started = 0

    /// - Parameters:
    ///   - dag: The text of the one DAG; `FOLDER` in it is the folder of the test.
    ///   - server: Where the metastore is, if it is no file of the home.
    ///   - settings: More variables of the environment; `FOLDER` as in the DAG.
    init(_ dag: String, server: PostgresCluster? = nil, settings: [String: String] = [:]) throws {
        folder = try Folder()
        areApart = server != nil
        var environment = ["PERCH_HOME": folder.path + "/home", "PERCH__WORKER__LEASE": "1s"]
        if let server {
            environment["PERCH__METASTORE__URL"] =
                "postgresql://perch@/postgres?host=\(server.folder)&port=\(server.port)"
        }
        for (name, value) in settings { environment[name] = value.replacing("FOLDER", with: folder.path) }
        program = Program("perch", environment: environment)
        try FileManager.default.createDirectory(atPath: folder.path + "/dags", withIntermediateDirectories: true)
        try Data(dag.replacing("FOLDER", with: folder.path).utf8)
            .write(to: URL(filePath: folder.path + "/dags/dag.yaml"))
    }

    func start(_ role: String, _ arguments: String...) throws -> RunningEngine {
        started += 1
        return try RunningEngine(
            program, role: role, home: folder.path + (areApart ? "/home-\(started)" : "/home"),
            log: "\(folder.path)/\(role)-\(started).log",
            arguments: arguments + (role == "worker" ? ["--dags", folder.path + "/dags"] : []))
    }

    func trigger(_ run: String) throws {
        let outcome = try program("dags", "trigger", "work", "--run-id", run)
        #expect(outcome.code == 0, "\(outcome)")
    }

    func rows(_ arguments: String...) throws -> [JSONValue] {
        let outcome = try program.run(arguments + ["-o", "json"])
        guard outcome.code == 0, case .array(let rows) = try JSONValue(parsing: outcome.output) else {
            throw RunningEngineError(description: "\(outcome)")
        }
        return rows
    }

    /// Looks again and again until something holds, for a minute and a half at most.
    func until(_ what: String, _ holds: () throws -> Bool) throws {
        let end = ContinuousClock.now + .seconds(90)
        while ContinuousClock.now < end {
            if try holds() { return }
            usleep(10_000)  // because another process changes it, of which nobody tells this one
        }
        let states = try program("tasks", "states", "work", "r").output
        Issue.record("\(what): \(states)")
    }

    func states(_ state: String) throws -> Int {
        try rows("tasks", "states", "work", "r").count { $0["state"] == .string(state) }
    }

    /// Lets the tasks end that wait for it.
    func go() throws { try Data().write(to: URL(filePath: folder.path + "/go")) }
}

@Suite("Workers that share a home", .timeLimit(.minutes(3)))
struct WorkerTests {
    /// Tasks that hold their slots until the test lets them go; each says that it has ended.
    private static let held = """
        id: work
        tasks:
        - id: list
          bash: {command: "echo '[1, 2, 3, 4, 5, 6]'", output: json}
        - id: hold
          over: list
          bash: >
            while [ ! -e FOLDER/go ]; do sleep 0.02; done; echo "{{ element }}" >> FOLDER/done
        """

    @Test("what a killed worker held is run by another at once, without a retry, and the list says who lives")
    func killed() throws {
        let place = try Workplace(Self.held)
        defer { place.folder.remove() }
        let refused = try place.program("worker")
        #expect(refused.code == 1 && refused.errors.contains("there is no metastore"), "\(refused)")
        let scheduler = try place.start("scheduler")
        let second = try place.program("scheduler")
        #expect(second.code == 1 && second.errors.contains("in use by process \(scheduler.pid)"), "\(second)")
        let triggerer = try place.start("triggerer")
        let first = try place.start("worker", "--slots", "3", "--set", "worker.lease=1h")
        let other = try place.start("worker", "--slots", "6", "--set", "worker.lease=1h")
        try place.trigger("r")
        try place.until("all are under way") { try place.states("running") == 6 }
        let list = try place.rows("worker", "list")
        #expect(list.map { $0["state"] } == ["active", "active"] && list.map { $0["slots"] } == [3, 6], "\(list)")

        first.kill()
        try place.until("one worker has them all") {
            let left = try place.rows("worker", "list")
            return left.count == 1 && left.first?["running"] == 6
        }
        try place.go()
        try place.until("all have succeeded") { try place.states("success") == 7 }
        let tries = try place.rows("tasks", "states", "work", "r").map { $0["try_number"] }
        #expect(tries.allSatisfy { $0 == 1 }, "\(tries)")

        let jobs = try place.rows("jobs", "list")
        #expect(
            Set(jobs.compactMap { $0["job_type"] }) == ["scheduler", "triggerer", "worker", "bundle"], "\(jobs)")
        #expect(
            try place.rows("jobs", "list", "--job-type", "scheduler").map { $0["pid"] } == [
                .integer(Int64(scheduler.pid))
            ])
        #expect(try place.program("jobs", "list", "--job-type", "cook").code == 64)
        for role in [other, triggerer, scheduler] { #expect(role.stop() == 0, "\(role.text)") }
        let gone = try place.program("worker", "list")
        #expect(gone.code == 0 && gone.errors.contains("no worker is running"), "\(gone)")
        #expect(try place.program("db", "check").code == 0)
    }

    @Test("a worker that stood still past its lease holds nothing any more, and joins anew")
    func frozen() throws {
        let place = try Workplace(Self.held)
        defer { place.folder.remove() }
        let scheduler = try place.start("scheduler")
        let frozen = try place.start("worker", "--slots", "6")
        try place.trigger("r")
        try place.until("all are under way") { try place.states("running") == 6 }
        frozen.freeze()
        let other = try place.start("worker", "--slots", "6")
        try place.until("the other has them all") {
            try place.rows("worker", "list").contains { $0["running"] == 6 && $0["state"] == "active" }
                && place.rows("worker", "list").count == 1
        }
        frozen.thaw()
        try place.until("it has joined anew") { frozen.text.contains("not registered any more; it joins anew") }
        try place.go()
        try place.until("all have succeeded") { try place.states("success") == 7 }
        try place.until("both are there") { try place.rows("worker", "list").count == 2 }
        for role in [frozen, other, scheduler] { #expect(role.stop() == 0, "\(role.text)") }
        #expect(try place.program("db", "check").code == 0)
    }

    @Test("workers take the tasks of their queues, in order; where nobody serves a queue, it is said")
    func queues() throws {
        let place = try Workplace(
            """
            id: work
            tasks:
            - {id: usual, bash: "true"}
            - {id: painted, queue: gpu, bash: "true"}
            """)
        defer { place.folder.remove() }
        let scheduler = try place.start("scheduler")
        let usual = try place.start("worker", "--queues", "default")
        try place.trigger("r")
        try place.until("the usual one has ended") { try place.states("success") == 1 }
        let why = try place.program("tasks", "failed-deps", "work", "r", "painted")
        #expect(why.output.contains("No worker takes tasks of the queue 'gpu'"), "\(why)")
        let gpu = try place.start("worker", "--queues", "gpu,other")
        try place.until("the other has ended") { try place.states("success") == 2 }
        #expect(try place.rows("worker", "list").map { $0["queues"] } == ["default", "gpu,other"])
        for role in [gpu, usual, scheduler] { #expect(role.stop() == 0, "\(role.text)") }
        for wrong in [["--queues", "a b"], ["--slots", "0"], ["--queues", ""]] {
            let outcome = try place.program.run(["worker"] + wrong)
            #expect(outcome.code == 64 && outcome.errors.contains(wrong[0]), "\(outcome)")
        }
    }

    @Test("roles with homes of their own share a metastore on PostgreSQL, and lose nothing when one is killed")
    func onPostgres() throws {
        let server = try PostgresCluster(trusting: true, connections: 60)
        defer { server.stop() }
        let place = try Workplace(
            Self.held + """

                - id: told
                  after: hold
                  sensor: {event: {name: go.on}}
                - {id: last, after: told, bash: "echo last >> FOLDER/done"}

                """, server: server)
        defer { place.folder.remove() }
        let scheduler = try place.start("scheduler")
        let triggerer = try place.start("triggerer")
        let first = try place.start("worker", "--slots", "3")
        let other = try place.start("worker", "--slots", "6")
        try place.trigger("r")
        try place.until("all are under way") { try place.states("running") == 6 }
        // The engine is none of this home.
        let why = try place.program("runs", "explain", "work", "r")
        #expect(why.code == 0 && !why.output.contains("No engine"), "\(why)")
        first.kill()
        try place.until("one worker has them all") {
            let left = try place.rows("worker", "list")
            return left.count == 1 && left.first?["running"] == 6
        }
        try place.go()
        try place.until("the sensor waits") { try place.states("deferred") == 1 }
        #expect(try place.program("events", "emit", "go.on").code == 0)
        try place.until("all have succeeded") { try place.states("success") == 9 }
        let done = try String(contentsOfFile: place.folder.path + "/done", encoding: .utf8)
        #expect(done.split(separator: "\n").sorted() == ["1", "2", "3", "4", "5", "6", "last"], "\(done)")
        for role in [other, triggerer, scheduler] { #expect(role.stop() == 0, "\(role.text)") }
        #expect(try place.program("db", "check").code == 0)
    }

    @Test("a worker that hears no doorbell any more finds its tasks when it looks by itself")
    func deaf() throws {
        let server = try PostgresCluster(trusting: true, connections: 60)
        defer { server.stop() }
        try server.execute("CREATE ROLE ear LOGIN")
        let place = try Workplace(
            """
            id: work
            tasks:
            - {id: first, bash: "true"}
            - {id: second, after: first, bash: "true"}
            """, server: server)
        defer { place.folder.remove() }
        let scheduler = try place.start("scheduler")
        let ear = "postgresql://ear@/postgres?host=\(server.folder)&port=\(server.port)"
        let worker = try place.start("worker", "--set", "metastore.listen_url=\(ear)")
        let hearing = "FROM pg_stat_activity WHERE usename = 'ear'"
        #expect(try server.select("SELECT COUNT(*) \(hearing)") == "1")
        // Its session is cut, and is not let in again; what it writes and reads goes on.
        try server.execute("ALTER ROLE ear NOLOGIN")
        try server.execute("SELECT pg_terminate_backend(pid) \(hearing)")
        try place.trigger("r")
        try place.until("all have succeeded") { try place.states("success") == 2 }
        #expect(try server.select("SELECT COUNT(*) \(hearing)") == "0")
        for role in [worker, scheduler] { #expect(role.stop() == 0, "\(role.text)") }
    }
}
