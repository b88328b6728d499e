// SPDX-License-Identifier: Apache-2.0

import Logging
import PerchSDK
import ProgramTestSupport
import Synchronization
import Testing

@testable import PerchAPIServer

/// A listener that tells how a role stands, and a role that says what a test has it say.
private final class HealthBench: Sendable {
    let desk: HealthDesk
    let server: APIServer
    let port: Int
    private let state = Mutex(State())

    private struct State: Sendable {
        var standing: HealthDesk.Standing? = HealthDesk.Standing()
        var asked = 0
        /// Those who were asked while the role said nothing.
        var unanswered: [@Sendable (HealthDesk.Standing) -> Void] = []
    }

    init(patience: TimeSpan = .seconds(5), address: String = "127.0.0.1:0", tokens: [String] = []) async throws {
        desk = HealthDesk(facts: ["role": "worker", "pid": 4711], patience: patience)
        let configuration = APIServer.Configuration(
            healthAt: try ListenAddress(parsing: address), credentials: try Credentials(tokens: tokens))
        server = APIServer(
            health: desk, configuration, clock: SetClock(Timestamp(microseconds: 0)),
            log: Logger(label: "health") { _ in SwiftLogNoOpLogHandler() })
        port = try await server.start().port
    }

    /// The role is there, and stands like this; nil: it says nothing.
    func stand(_ standing: HealthDesk.Standing?) {
        let waiting = state.withLock { state in
            state.standing = standing
            defer { state.unanswered = [] }
            return state.unanswered
        }
        if let standing { for answer in waiting { answer(standing) } }
        desk.attach(metrics: { "perch_slots 3\n" }) { answer in
            let standing = self.state.withLock { state in
                state.asked += 1
                if state.standing == nil { state.unanswered.append(answer) }
                return state.standing
            }
            if let standing { answer(standing) }
        }
    }

    var asked: Int { state.withLock { $0.asked } }

    func send(_ line: String, _ fields: [String: String] = [:]) async throws -> WebClient.Answer {
        try #require(await WebClient(port: port).request(line, fields))
    }
}

@Suite("How a process says that it is well", .timeLimit(.minutes(1)))
struct HealthTests {
    @Test("It is alive while it starts, ready when it works, and neither ready nor unwell while it ends")
    func stages() async throws {
        let bench = try await HealthBench()
        #expect(try await bench.send("GET /health").json == ["role": "worker", "pid": 4711, "status": "alive"])
        let early = try await bench.send("GET /ready")
        #expect(early.status == 503 && early.json["status"] == "starting" && early.fields["retry-after"] == "1")
        #expect(try await bench.send("GET /metrics").status == 503)
        var standing = HealthDesk.Standing()
        standing.leaseUntil = try Timestamp(parsing: "2026-01-01T00:00:00Z")
        bench.stand(standing)
        await bench.server.open()
        let ready = try await bench.send("GET /ready")
        #expect(ready.status == 200 && ready.json["status"] == "ready" && ready.json["metastore"] == "reachable")
        #expect(ready.json["lease_until"] == "2026-01-01T00:00:00Z" && !ready.fields.keys.contains("retry-after"))
        #expect(try await bench.send("HEAD /ready").status == 200)
        #expect(try await bench.send("GET /metrics").body == "perch_slots 3\n")
        await bench.server.drain()
        #expect(try await bench.send("GET /health").status == 200)
        let late = try await bench.send("GET /ready")
        #expect(late.status == 503 && late.json["status"] == "stopping")
        await bench.server.stop()
    }

    @Test(
        "What keeps a role from its work is said, and what passes by itself asks for no new start",
        arguments: [
            (true, false, nil, 200, "alive", 200, "ready"), (false, false, nil, 200, "alive", 503, "starting"),
            (true, true, nil, 200, "alive", 503, "draining"),
            (true, false, .lease, 503, "lost", 503, "lost"),
            (true, true, .metastore, 503, "behind", 503, "behind"),
        ] as [(Bool, Bool, HealthDesk.Standing.Fault?, Int, String, Int, String)])
    func standings(
        hasJoined: Bool, isDraining: Bool, fault: HealthDesk.Standing.Fault?, health: Int, healthSays: String,
        ready: Int, readySays: String
    ) async throws {
        let bench = try await HealthBench()
        var standing = HealthDesk.Standing()
        standing.hasJoined = hasJoined
        standing.isDraining = isDraining
        standing.fault = fault
        bench.stand(standing)
        await bench.server.open()
        for (path, status, says) in [("/health", health, healthSays), ("/ready", ready, readySays)] {
            let answer = try await bench.send("GET \(path)")
            #expect(answer.status == status && answer.json["status"] == .string(says), "\(path) \(answer)")
            #expect(!answer.json.has("reason") == (status == 200), "\(path) \(answer)")
            #expect(answer.json["metastore"] == (fault == .metastore ? "unreachable" : "reachable"))
        }
        await bench.server.stop()
    }

    @Test("One that hangs is told so within the bound, is asked once however many ask, and is well once it answers")
    func hangs() async throws {
        let bench = try await HealthBench(patience: TimeSpan(microseconds: 100_000))
        bench.stand(nil)
        await bench.server.open()
        let answers = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<20 { group.addTask { try await bench.send("GET /health").status } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers == Array(repeating: 503, count: 20) && bench.asked == 1)
        let still = try await bench.send("GET /ready")
        #expect(still.status == 503 && still.json["status"] == "behind" && still.json["metastore"] == "unreachable")
        bench.stand(HealthDesk.Standing())
        #expect(try await bench.send("GET /health").status == 200)
        // An answer is good for a second: a crowd does not become a load on the metastore.
        for _ in 0..<50 { #expect(try await bench.send("GET /ready").status == 200) }
        #expect(bench.asked <= 3)
        await bench.server.stop()
    }

    @Test("A listener for health takes no events, and says where they are taken")
    func events() async throws {
        let bench = try await HealthBench()
        await bench.server.open()
        for line in ["POST /events/a", "POST /events", "GET /events/a"] {
            let answer = try await bench.send(line)
            #expect(answer.status == 404 && answer.isError && answer.body.contains("api.listen"), "\(answer)")
        }
        #expect(try await bench.send("POST /ready").fields["allow"] == "GET, HEAD")
        #expect(!(try await bench.send("GET /").body.contains("POST /events")))
        await bench.server.stop()
    }

    @Test("Where other machines reach it, health is for all of them, and metrics for those who have a token")
    func reachable() async throws {
        for (tokens, given, status) in [([], nil, 403), (["t"], nil, 401), (["t"], "Bearer t", 200)]
            as [([String], String?, Int)]
        {
            let bench = try await HealthBench(address: "0.0.0.0:0", tokens: tokens)
            bench.stand(HealthDesk.Standing())
            await bench.server.open()
            #expect(try await bench.send("GET /health").status == 200)
            let answer = try await bench.send("GET /metrics", given.map { ["Authorization": $0] } ?? [:])
            #expect(answer.status == status, "\(tokens) \(answer)")
            await bench.server.stop()
        }
    }
}

extension JSONValue {
    /// Whether it is an object with such a member.
    fileprivate func has(_ name: String) -> Bool {
        if case .object(let members) = self { members.keys.contains(name) } else { false }
    }
}
