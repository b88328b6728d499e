// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchCLI

/// A home whose engine takes events over HTTP.
private struct APIHome {
    let folder: Folder
    let home: String
    let program: Program
    static let token = "a-token-that-nobody-may-see"

    init() throws {
        folder = try Folder()
        home = folder.path + "/home"
        try Data("\n  \(Self.token)\t\n".utf8).write(to: URL(filePath: folder.path + "/tokens"))
        program = Program(
            "perch",
            environment: [
                "PERCH_HOME": home, "PERCH__API__LISTEN": "127.0.0.1:0",
                "PERCH__API__TOKEN_FILE": folder.path + "/tokens", "PERCH__LOG__LEVEL": "trace",
            ])
    }

    func engine(_ log: String = "log") throws -> RunningEngine {
        try RunningEngine(program, home: home, log: "\(folder.path)/\(log)")
    }

    static func client(_ engine: RunningEngine) throws -> WebClient {
        let line = engine.text.split(separator: "\n").first { $0.hasPrefix("api: http://127.0.0.1:") }
        return try WebClient(port: try #require(line.flatMap { $0.split(separator: ":").last }.flatMap { Int($0) }))
    }

    static let fields = ["Authorization": "Bearer \(token)", "Content-Type": "application/json"]
}

@Suite("A standalone that takes events over HTTP", .timeLimit(.minutes(2)))
struct APITests {
    @Test("what was answered is there after kill -9, and what was sent twice is there once")
    func killed() async throws {
        let home = try APIHome()
        defer { home.folder.remove() }
        var engine = try home.engine("first")
        var client = try APIHome.client(engine)
        var acknowledged: [Int64] = []
        for number in 1...50 {
            let answer = await client.request("POST /events/a?id=\(number)", APIHome.fields, "\(number)")
            if case .integer(let seq)? = try JSONValue(parsing: answer?.body ?? "null")["seq"] {
                acknowledged.append(seq)
            }
        }
        // One that is under way when the engine dies is there as a whole or not at all.
        await client.send(WebClient.text("POST /events/a?id=51", APIHome.fields, "51"))
        engine.kill()
        #expect(acknowledged == Array(1...50))
        engine = try home.engine("second")
        defer { engine.stop() }
        client = try APIHome.client(engine)
        for number in 1...51 {
            let answer = await client.request("POST /events/a?id=\(number)", APIHome.fields, "\(number)")
            let json = try JSONValue(parsing: answer?.body ?? "null")
            #expect(json["seq"] == .integer(Int64(number)), "\(json)")
            if number <= 50 { #expect(json["duplicate"] == true) }
        }
        let listed = try JSONValue(parsing: try home.program("events", "list", "-o", "json").output)
        guard case .array(let events) = listed else { return #expect(Bool(false), "\(listed)") }
        #expect(events.map { $0["payload"] } == (1...51).reversed().map { .integer($0) })
    }

    @Test("an event wakes what waits for it, and the token is in no log, no list and no error")
    func wakes() async throws {
        let home = try APIHome()
        defer { home.folder.remove() }
        let metastore = try Metastore.open(home: home.home, access: .engine, clock: SystemClock())
        let trigger = TriggerSpec(
            kind: "event", target: "orders.paid", definition: ["name": "orders.paid", "key": "4711"])
        let sensor = SensorDefinition(trigger: trigger, timeout: .seconds(600))
        try await metastore.write { transaction in
            let dag = DAGDefinition(dagID: "orders", tasks: [TaskDefinition(taskID: "paid", kind: .sensor(sensor))])
            try transaction.storeDAGs([dag], bundle: "default", bundleVersion: "1")
            _ = try transaction.createRun(RunRequest(dagID: "orders", runID: "first"))
            while try transaction.advanceRuns(budget: 1000) {}
        }
        try metastore.close()
        let engine = try home.engine()
        let client = try APIHome.client(engine)
        let refused = await client.request(
            "POST /events/orders.paid", ["Authorization": "Bearer \(APIHome.token)x"], "1")
        #expect(refused?.status == 401)
        let answer = await (try APIHome.client(engine)).request(
            "POST /events/orders.paid?key=4711", APIHome.fields, "{}")
        #expect(answer?.status == 202)
        // Well within the slow poll of thirty seconds, or the doorbell would not have rung.
        let began = ContinuousClock.now
        let log = try home.program("tasks", "logs", "orders", "first", "paid", "--follow")
        #expect(log.output.contains("ended as success"), "\(log) \(engine.text)")
        #expect(ContinuousClock.now - began < .seconds(20))
        let settings = try home.program("config", "list")
        #expect(engine.stop() == 0)
        for text in [engine.text, settings.output, refused?.body ?? ""] { #expect(!text.contains("nobody-may-see")) }
        #expect(engine.text.contains("by token or signature"))
    }

    @Test(
        "settings that would open the door, or cannot be, are one line, and no home is made",
        arguments: [
            (["--set", "api.listen=0.0.0.0:0"], [:], "api.token_file", 1),
            (["--set", "api.listen=[::]:0"], [:], "api.token_file", 1),
            (["--set", "api.listen=nowhere:1"], [:], "api.listen", 64),
            (["--set", "api.token=shown-to-all"], [:], "PERCH__API__TOKEN", 64),
            ([], ["PERCH__API__LISTEN": "127.0.0.1"], "PERCH__API__LISTEN", 1),
            (
                [], ["PERCH__API__LISTEN": "127.0.0.1:0", "PERCH__API__TOKEN_FILE": "/nowhere/token"], "/nowhere/token",
                1
            ),
            (
                [], ["PERCH__API__LISTEN": "127.0.0.1:0", "PERCH__API__SECRET_FILE": "/dev/null"], "/dev/null is empty",
                1
            ),
            ([], ["PERCH__API__LISTEN": "127.0.0.1:0", "PERCH__API__TOKEN": "two words"], "what it lets do", 1),
            ([], ["PERCH__API__LISTEN": "127.0.0.1:0", "PERCH__API__TOKEN": ""], "api.token is empty", 1),
        ] as [([String], [String: String], String, Int32)])
    func refused(flags: [String], environment: [String: String], says: String, code: Int32) throws {
        let folder = try Folder()
        defer { folder.remove() }
        let home = folder.path + "/home"
        let outcome = try Program("perch", environment: environment).run(["standalone", "--home", home] + flags)
        #expect(outcome.code == code && outcome.errors.contains(says), "\(outcome)")
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
        #expect(!outcome.errors.contains("shown-to-all") && !outcome.errors.contains("two words"))
        #expect(!FileManager.default.fileExists(atPath: home))
    }

    @Test("an address that is taken is one line, and a home that was made for it goes again")
    func taken() async throws {
        let first = try APIHome()
        defer { first.folder.remove() }
        let engine = try first.engine()
        defer { engine.stop() }
        let line = try #require(engine.text.split(separator: "\n").first { $0.hasPrefix("api: http://") })
        let address = String(line.dropFirst("api: http://".count))
        let home = first.folder.path + "/other"
        let outcome = try Program("perch")("standalone", "--home", home, "--set", "api.listen=\(address)")
        #expect(outcome.code == 1 && outcome.errors.contains("cannot listen at \(address)"), "\(outcome)")
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: home))
    }

    @Test("a secret is shown by no list, wherever it was set")
    func secrets() throws {
        let configuration = try Configuration(
            flags: [], environment: ["PERCH__API__TOKEN": "hidden"], file: #"{"api": {"secret": "hidden"}}"#, path: "x")
        #expect(configuration.text("api.token") == "hidden" && configuration.text("api.secret") == "hidden")
        #expect(configuration.entries.filter { $0.shown == "(secret)" }.map(\.key.name) == ["api.secret", "api.token"])
        #expect(!configuration.entries.contains { $0.shown == "hidden" })
    }
}
