// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchCLI
@testable import PerchMetastore

/// Roles that say over HTTP how they stand.
private struct WatchedRoles {
    let folder: Folder
    let program: Program
    let home: String

    init(environment: [String: String] = [:]) throws {
        folder = try Folder()
        home = folder.path + "/home"
        program = Program("perch", environment: environment.merging(["PERCH_HOME": home]) { $1 })
        try FileManager.default.createDirectory(atPath: folder.path + "/dags", withIntermediateDirectories: true)
        let dag = """
            id: work
            tasks:
            - {id: hold, bash: "while [ ! -e \(folder.path)/go ]; do sleep 0.02; done"}
            """
        try Data(dag.utf8).write(to: URL(filePath: folder.path + "/dags/dag.yaml"))
    }

    func start(_ role: String, _ arguments: String...) throws -> RunningEngine {
        let takesDAGs = role == "worker" || role == "standalone"
        return try RunningEngine(
            program, role: role, home: home, log: "\(folder.path)/\(role).log",
            arguments: ["--listen", "127.0.0.1:0"] + arguments + (takesDAGs ? ["--dags", folder.path + "/dags"] : []))
    }

    static func port(_ role: RunningEngine) throws -> Int {
        let line = role.text.split(separator: "\n").first { $0.hasPrefix("health: http://127.0.0.1:") }
        return try #require(line.flatMap { $0.split(separator: ":").last }.flatMap { Int($0) }, "\(role.text)")
    }

    static func ask(_ path: String, _ role: RunningEngine) async throws -> (status: Int, json: JSONValue) {
        let answer = try #require(await WebClient(port: port(role)).request("GET \(path)"))
        return (answer.status, try JSONValue(parsing: answer.body))
    }

    /// Asks again and again until there is this answer; an answer comes fresh once a second.
    static func until(_ path: String, _ status: Int, _ word: String, _ role: RunningEngine) async throws -> JSONValue {
        var last: (status: Int, json: JSONValue) = (0, .null)
        let end = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < end {
            last = try await ask(path, role)
            if last.status == status, last.json["status"] == .string(word) { return last.json }
            usleep(10_000)  // because another process changes it, of which nobody tells this one
        }
        throw RunningEngineError(description: "\(path) is \(last) and not \(status) \(word): \(role.text)")
    }
}

@Suite("Roles that say over HTTP how they stand", .timeLimit(.minutes(3)))
struct HealthTests {
    @Test("each role says what it is, whether it is ready, and what it counts, on a port of its own")
    func roles() async throws {
        let place = try WatchedRoles()
        defer { place.folder.remove() }
        let scheduler = try place.start("scheduler")
        let triggerer = try place.start("triggerer")
        let worker = try place.start("worker")
        for (name, role) in [("scheduler", scheduler), ("triggerer", triggerer), ("worker", worker)] {
            let ready = try await WatchedRoles.until("/ready", 200, "ready", role)
            let health = try await WatchedRoles.until("/health", 200, "alive", role)
            for json in [ready, health] {
                #expect(json["role"] == .string(name) && json["pid"] == .integer(Int64(role.pid)), "\(json)")
                #expect(json["metastore"] == "reachable" && json.has("version") && json.has("host"), "\(json)")
            }
            if name != "scheduler" { #expect(health.has("lease_until"), "\(health)") }
            let metrics = try #require(await WebClient(port: WatchedRoles.port(role)).request("GET /metrics"))
            #expect(metrics.status == 200 && metrics.body.contains("perch_commits_total"), "\(name) \(metrics)")
        }
        // One port for each: another process is refused in one line, and has changed nothing.
        let taken = "127.0.0.1:\(try WatchedRoles.port(worker))"
        let other = place.folder.path + "/other"
        let refused = try place.program("standalone", "--home", other, "--listen", taken)
        #expect(refused.code == 1 && refused.errors.contains("health.listen: cannot listen at \(taken)"), "\(refused)")
        #expect(refused.errors.split(separator: "\n").count == 1 && !FileManager.default.fileExists(atPath: other))

        // A triggerer that hands over is not ready, and not unwell.
        #expect(try place.program("triggerer", "drain", "\(triggerer.pid)", "--force").code == 0)
        _ = try await WatchedRoles.until("/ready", 503, "draining", triggerer)
        #expect(try await WatchedRoles.ask("/health", triggerer).status == 200)
        #expect(try place.program("triggerer", "drain", "\(triggerer.pid)", "--undo").code == 0)
        _ = try await WatchedRoles.until("/ready", 200, "ready", triggerer)
        for role in [worker, triggerer, scheduler] { #expect(role.stop() == 0, "\(role.text)") }
        #expect((try? WebClient(port: WatchedRoles.port(worker))) == nil)  // because nobody listens there any more
    }

    @Test("a worker without its lease is unwell, and one that ends is not ready and finishes what it has")
    func lease() async throws {
        let place = try WatchedRoles()
        defer { place.folder.remove() }
        let scheduler = try place.start("scheduler")
        let worker = try place.start("worker", "--set", "worker.lease=1h")
        _ = try await WatchedRoles.until("/ready", 200, "ready", worker)
        let metastore = try Metastore.open(home: place.home, access: .command, clock: SystemClock())
        _ = try await metastore.write { try $0.run("UPDATE process SET lease_until = 1 WHERE role = 'worker'") }
        let lost = try await WatchedRoles.until("/health", 503, "lost", worker)
        #expect(lost.has("reason") && lost["metastore"] == "reachable", "\(lost)")
        let later = try Timestamp(parsing: "2100-01-01T00:00:00Z").microseconds
        _ = try await metastore.write { try $0.run("UPDATE process SET lease_until = :1 WHERE role = 'worker'", later) }
        try metastore.close()
        _ = try await WatchedRoles.until("/health", 200, "alive", worker)

        #expect(try place.program("dags", "trigger", "work", "--run-id", "r").code == 0)
        var running = false
        for _ in 0..<600 where !running {
            running = try place.program("tasks", "states", "work", "r").output.contains("running")
        }
        kill(worker.pid, SIGTERM)
        _ = try await WatchedRoles.until("/ready", 503, "stopping", worker)
        #expect(try await WatchedRoles.ask("/health", worker).status == 200)
        try Data().write(to: URL(filePath: place.folder.path + "/go"))
        var states = ""
        for _ in 0..<600 where !states.contains("success") {
            states = try place.program("tasks", "states", "work", "r").output
        }
        #expect(states.contains("success"), "\(states) \(worker.text)")
        worker.kill()
        #expect(scheduler.stop() == 0, "\(scheduler.text)")
    }

    @Test("without its server a role says that the metastore is not there, and is well again when it is back")
    func server() async throws {
        let cluster = try PostgresCluster(trusting: true)
        defer { cluster.stop() }
        let url = "postgresql://perch@/postgres?host=\(cluster.folder)&port=\(cluster.port)"
        let place = try WatchedRoles(environment: ["PERCH__METASTORE__URL": url])
        defer { place.folder.remove() }
        #expect(try place.program("db", "migrate").code == 0)
        let triggerer = try place.start("triggerer")
        _ = try await WatchedRoles.until("/ready", 200, "ready", triggerer)
        cluster.stop()
        let down = try await WatchedRoles.until("/health", 503, "behind", triggerer)
        #expect(down["metastore"] == "unreachable" && down.has("reason"), "\(down)")
        #expect(try await WatchedRoles.ask("/ready", triggerer).status == 503)
        try cluster.start()
        _ = try await WatchedRoles.until("/health", 200, "alive", triggerer)
        #expect(triggerer.stop() == 0, "\(triggerer.text)")
    }

    @Test(
        "an address that is none is one line, and no home is made",
        arguments: [
            (["--listen", "8794"], 64, "--listen"), (["--listen", "example.org:80"], 64, "no address to listen at"),
            (["--set", "health.listen=127.0.0.1"], 64, "health.listen"),
            (["--listen", "127.0.0.1:8794", "--set", "api.listen=localhost:8794"], 1, "api.listen takes events"),
            (["--listen", "203.0.113.1:1"], 1, "health.listen: cannot listen at 203.0.113.1:1"),
        ] as [([String], Int32, String)])
    func refused(flags: [String], code: Int32, says: String) throws {
        let folder = try Folder()
        defer { folder.remove() }
        let home = folder.path + "/home"
        for role in ["standalone", "scheduler"] {
            let outcome = try Program("perch").run([role, "--home", home] + flags)
            #expect(outcome.code == code && outcome.errors.contains(says), "\(outcome)")
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
        }
        #expect(!FileManager.default.fileExists(atPath: home))
    }
}

extension JSONValue {
    /// Whether it is an object with such a member.
    fileprivate func has(_ name: String) -> Bool {
        if case .object(let members) = self { members.keys.contains(name) } else { false }
    }
}
