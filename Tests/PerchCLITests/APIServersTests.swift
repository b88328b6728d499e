// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import PerchSDK
import ProgramTestSupport
import Testing

/// Several API servers, each with a home of its own, on one PostgreSQL server.
private final class ServedPlace {
    let folder: Folder
    let server: PostgresCluster
    let program: Program
    let ports: [Int]
    let token: String
    private var started = 0

    init() throws {
        folder = try Folder()
        server = try PostgresCluster(trusting: true, connections: 60)
        ports = [try FreePort.find(), try FreePort.find(), try FreePort.find()]
        program = Program(
            "perch",
            environment: [
                "PERCH_HOME": folder.path + "/none",
                "PERCH__METASTORE__URL": "postgresql://perch@/postgres?host=\(server.folder)&port=\(server.port)",
            ])
        try FileManager.default.createDirectory(atPath: folder.path + "/dags", withIntermediateDirectories: true)
        try Data("id: orders\ntasks:\n- {id: a, sensor: {time: {after: 2h}}}\n".utf8)
            .write(to: URL(filePath: folder.path + "/dags/orders.yaml"))
        guard try program("db", "migrate").code == 0 else {
            throw RunningEngineError(description: "there is no metastore")
        }
        let worker = try RunningEngine(
            program, role: "worker", home: folder.path + "/worker", log: folder.path + "/worker.log",
            arguments: ["--dags", folder.path + "/dags"])
        worker.stop()
        _ = try program("dags", "pause", "orders")
        token = try program("tokens", "create", "ci", "--role", "operator").output
            .trimmingCharacters(in: .whitespacesAndNewlines)
        _ = try program("users", "create", "anna", "--role", "viewer", input: "correct horse\n")
    }

    /// The first or the second server.
    func start(_ place: Int, drain: String = "300ms") throws -> RunningEngine {
        started += 1
        return try RunningEngine(
            program, role: "api-server", home: "\(folder.path)/home-\(place)",
            log: "\(folder.path)/api-\(started).log",
            arguments: [
                "--set", "api.listen=127.0.0.1:\(ports[place])", "--set", "api.trusted_proxies=127.0.0.1", "--set",
                "api.drain_time=\(drain)",
            ])
    }

    /// nginx with the file that is shipped, ports replaced.
    func nginx() throws -> Nginx {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(
            path: "../../examples/deploy/nginx.conf"
        ).standardized
        var text = try String(contentsOf: file, encoding: .utf8)
        for (port, own) in [("127.0.0.1:8795", ports[0]), ("127.0.0.1:8796", ports[1])] {
            guard text.contains(port) else { throw RunningEngineError(description: "nginx.conf has no \(port)") }
            text = text.replacing(port, with: "127.0.0.1:\(own)")
        }
        text = text.replacing("listen 8080;", with: "listen 127.0.0.1:\(ports[2]);")
        return try Nginx(text, in: folder.path, port: ports[2])
    }

    /// Asks nginx.
    func ask(_ line: String, _ fields: [String: String] = [:], _ body: String = "") async throws -> WebClient.Answer? {
        try await WebClient(port: ports[2]).request(line, fields, body)
    }

    func end() {
        server.stop()
        folder.remove()
    }
}

/// Whether a missing nginx is a failure: where somebody has said that it is to be there.
private let wantsNginx = ProcessInfo.processInfo.environment["PERCH_TEST_NGINX"] != nil

@Suite(
    "Several API servers on one metastore", .enabled(if: PostgresCluster.programs != nil), .serialized,
    .timeLimit(.minutes(3)))
struct APIServersTests {
    @Test("one serves what its settings say, refuses to be without an address, and ends with /ready first")
    func alone() async throws {
        let place = try ServedPlace()
        defer { place.end() }
        let none = try place.program("api-server", "--home", place.folder.path + "/x")
        #expect(none.code == 1 && none.errors.contains("api.listen"), "\(none)")
        let server = try place.start(0, drain: "2s")
        #expect(server.text.contains("api: http://127.0.0.1:\(place.ports[0])"), "\(server.text)")
        func ask(_ path: String) async throws -> WebClient.Answer? {
            try await WebClient(port: place.ports[0]).request(
                "GET \(path)", ["Authorization": "Bearer \(place.token)"])
        }
        let ready = try await ask("/ready")
        #expect(ready?.status == 200 && ready?.body.contains("api-server") == true, "\(String(describing: ready))")
        #expect(try await ask("/api/v2/dags")?.body.contains("orders") == true)
        let other = try place.start(1)
        other.kill()
        let jobs = try place.program("jobs", "list", "--job-type", "api-server", "-o", "json")
        let listed = try JSONValue(parsing: jobs.output).list
        try #require(listed.count == 2, "\(jobs)")
        #expect(listed[0]["pid"] == .integer(Int64(server.pid)) && listed[0]["state"] == "active", "\(jobs)")
        #expect(listed[1]["pid"] == .integer(Int64(other.pid)) && listed[1]["state"] == "dead", "\(jobs)")
        let version = try place.program("version").output.trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(listed[0]["version"] == .string(version), "\(jobs)")
        kill(server.pid, SIGTERM)
        var last: WebClient.Answer?
        for _ in 0..<500 where last?.status != 503 { last = try await ask("/ready") }
        #expect(last?.status == 503 && last?.body.contains("draining") == true, "\(String(describing: last))")
        #expect(try await ask("/api/v2/dags")?.status == 200)
        #expect(server.stop() != 0 || server.text.contains("stopping"), "\(server.text)")
        #expect(!server.text.contains(place.token))
        let left = try JSONValue(parsing: place.program("jobs", "list", "-o", "json").output).list
        #expect(left.allSatisfy { $0["state"] == "dead" }, "\(left)")
        // One that ends as it should is listed no more.
        let third = try place.start(2)
        #expect(third.stop() == 0, "\(third.text)")
        let after = try JSONValue(parsing: place.program("jobs", "list", "-o", "json").output).list
        #expect(after == left, "\(after)")
    }

    @Test(
        "behind nginx one is killed in the middle of starting runs: each is there once, and sessions go on",
        .enabled(if: Nginx.program != nil || wantsNginx, "\(Nginx.missing)"))
    func killed() async throws {
        let place = try ServedPlace()
        defer { place.end() }
        var servers = [try place.start(0), try place.start(1)]
        let nginx = try place.nginx()
        let page = try #require(await place.ask("GET /login"))
        let mark = page.fields["set-cookie"]?.split(separator: ";").first.map(String.init) ?? ""
        let csrf = String(mark.split(separator: "=", maxSplits: 1).last ?? "")
        let letIn = try #require(
            await place.ask(
                "POST /login",
                [
                    "Content-Type": "application/x-www-form-urlencoded", "Cookie": mark,
                    "X-Forwarded-For": "203.0.113.9",
                ], "name=anna&password=correct+horse&csrf=\(csrf)"))
        #expect(letIn.status == 303, "\(letIn)")
        let cookie = letIn.fields["set-cookie"]?.split(separator: ";").first.map(String.init) ?? ""
        // Whichever of them is asked, and at once.
        for _ in 0..<6 { #expect(try await place.ask("GET /api/v2/dags", ["Cookie": cookie])?.status == 200) }
        let log = try place.program("audit", "list", "-o", "json").output
        #expect(log.contains("203.0.113.9"), "\(log)")

        let stream = try WebClient(port: place.ports[2])
        await stream.send(WebClient.text("GET /api/v2/stream", ["Authorization": "Bearer \(place.token)"]))
        let opening = await stream.text(until: "event: ready")
        #expect(opening?.contains("text/event-stream") == true, "\(opening ?? "")")

        let each = 400
        func body(_ letter: String) -> String {
            let runs = (0..<each).map { #"{"dag_run_id": "\#(letter)\#($0)"}"# }.joined(separator: ",")
            return #"{"dag_runs": [\#(runs)]}"#
        }
        func fields(_ letter: String) -> [String: String] {
            [
                "Authorization": "Bearer \(place.token)", "Content-Type": "application/json",
                "Idempotency-Key": "key-\(letter)",
            ]
        }
        let letters = ["a", "b", "c", "d"]
        var pending: [(letter: String, client: WebClient)] = []
        for letter in letters {
            let client = try WebClient(port: place.ports[2])
            await client.send(
                WebClient.text("POST /api/v2/dags/orders/dagRuns/bulk", fields(letter), body(letter)))
            pending.append((letter, client))
        }
        servers[0].kill()
        var answers: [String: Int] = [:]
        for (letter, client) in pending { answers[letter] = await client.answer()?.status ?? 0 }
        for letter in letters {
            for _ in 0..<20 where ![200, 201].contains(answers[letter]) {
                let answer = try await place.ask(
                    "POST /api/v2/dags/orders/dagRuns/bulk", fields(letter), body(letter))
                answers[letter] = answer?.status ?? 0
            }
            #expect([200, 201].contains(answers[letter]), "\(letter): \(answers) \(nginx.log)")
            // Asked once more, it is the same runs.
            let again = try await place.ask("POST /api/v2/dags/orders/dagRuns/bulk", fields(letter), body(letter))
            #expect(again?.body.contains(#""created":0"#) == true, "\(String(describing: again))")
        }
        #expect(try place.server.select("SELECT COUNT(*), COUNT(DISTINCT run_id) FROM dag_run") == "1600|1600")
        for _ in 0..<10 { #expect(try await place.ask("GET /api/v2/dags", ["Cookie": cookie])?.status == 200) }

        // One that ends as it should is missed by nobody, and news go on by an honest beginning.
        servers[0] = try place.start(0)
        for _ in 0..<500 {
            let ready = try await WebClient(port: place.ports[0]).request("GET /ready")
            if ready?.status == 200 { break }
        }
        let pid = servers[1].pid
        kill(pid, SIGTERM)
        for number in 0..<200 {
            let status = try await place.ask("GET /api/v2/dags", ["Cookie": cookie])?.status
            #expect(status == 200, "\(number): \(nginx.log)")
        }
        let resumed = try WebClient(port: place.ports[2])
        await resumed.send(
            WebClient.text(
                "GET /api/v2/stream", ["Authorization": "Bearer \(place.token)", "Last-Event-ID": "elsewhere-7"]))
        #expect(await resumed.text(until: "event: reset") != nil)
        nginx.stop()
        #expect(servers[0].stop() == 0, "\(servers[0].text)")
        #expect(try place.program("db", "check").code == 0)
    }
}
