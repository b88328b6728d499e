// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("Tokens of the metastore", .timeLimit(.minutes(1)))
struct TokenTests {
    @Test("what is open to this machine is closed for good once anybody was named, and a revoked token ends in seconds")
    func revoked() async throws {
        let bench = try await RESTBench()
        let api = bench.api
        #expect(try await bench.get("dags").status == 200)
        let token = try await api.makeToken("ci", AccessRights(.viewer))
        let fields = ["Authorization": "Bearer \(token)"]
        api.passTime()
        #expect(try await bench.get("dags").status == 401)
        #expect(try await bench.get("dags", fields).status == 200)
        #expect(try await api.send("GET /metrics").status == 401)
        #expect(try await api.send("GET /metrics", fields).status == 200)
        #expect(try await api.send("POST /events/a", json.merging(fields) { $1 }, "1").status == 202)
        try await api.metastore.write { try $0.revokeToken("ci") }
        // It is not asked for with every request.
        #expect(try await bench.get("dags", fields).status == 200)
        api.passTime()
        let late = try await bench.get("dags", fields)
        #expect(late.status == 401 && late.problem?.code == "unauthorized" && !late.body.contains(token))
        #expect(try await api.send("POST /events/a", json.merging(fields) { $1 }, "1").status == 401)
        #expect(try await bench.get("dags").status == 401)
        #expect(!api.log.text.contains(token))
        try await bench.end()
    }

    @Test("tokens of the file go on beside those of the metastore")
    func both() async throws {
        let api = try await APIBench(tokens: ["filed viewer", "older read"])
        let bench = RESTBench(of: api)
        let token = try await api.makeToken("ci", AccessRights(.viewer))
        for shown in ["filed", "older", token] {
            #expect(try await bench.get("dags", ["Authorization": "Bearer \(shown)"]).status == 200, "\(shown)")
        }
        #expect(try await bench.get("dags").status == 401)
        try await api.end()
    }

    @Test("the use of a token is recorded once a minute")
    func used() async throws {
        let api = try await APIBench()
        let bench = RESTBench(of: api)
        let fields = ["Authorization": "Bearer \(try await api.makeToken("ci", AccessRights(.viewer)))"]
        func lastUsed() async throws -> Timestamp? {
            try await api.metastore.read { try $0.knownToken("ci").lastUsedAt }
        }
        #expect(try await lastUsed() == nil)
        let first = api.clock.now
        for (wait, expected) in [(0, 0), (30, 0), (29, 0), (1, 60), (59, 60), (61, 180)] as [(Int64, Int64)] {
            api.clock.now = api.clock.now + .seconds(wait)
            #expect(try await bench.get("dags", fields).status == 200)
            #expect(try await lastUsed() == first + .seconds(expected), "\(wait)")
        }
        try await api.end()
    }

    @Test("whoever may not send is told so before he has sent a body, also where that has to be looked up")
    func early() async throws {
        let api = try await APIBench()
        _ = try await api.makeToken("ci", AccessRights(.viewer))
        for _ in 0..<2 {
            let client = try api.client()
            await client.send(
                "POST /events/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"
                    + "Expect: 100-continue\r\nAuthorization: Bearer x\r\n\r\n")
            let answer = await client.answer()
            #expect(answer?.status == 401 && answer?.fields["connection"] == "close")
            #expect(await client.isEnded())
            api.passTime()
        }
        try await api.end()
    }

    @Test("what comes while it is looked up who may is taken in its order, on one connection")
    func together() async throws {
        let api = try await APIBench()
        let token = try await api.makeToken("ci", AccessRights(.viewer))
        let client = try api.client()
        let fields = json.merging(["Authorization": "Bearer \(token)"]) { $1 }
        await client.send(
            (1...3).map { WebClient.text("POST /events/a?id=\($0)", fields, "\($0)") }.joined())
        for _ in 1...3 { #expect(await client.answer()?.status == 202) }
        #expect(try await api.events().map(\.eventID) == ["1", "2", "3"])
        try await api.end()
    }

    @Test(
        "where a token may send so many events a second, more are refused until the next, and another token's are taken"
    )
    func rate() async throws {
        let api = try await APIBench(tokens: ["one", "two"]) { $0.eventRate = 2 }
        func send(_ token: String) async throws -> WebClient.Answer {
            try await api.send("POST /events/a", json.merging(["Authorization": "Bearer \(token)"]) { $1 }, "1")
        }
        #expect(try await send("one").status == 202)
        #expect(try await send("one").status == 202)
        let refused = try await send("one")
        #expect(refused.status == 429 && refused.isError && refused.fields["retry-after"] == "1", "\(refused)")
        #expect(try await send("two").status == 202)
        api.clock.now = api.clock.now + .seconds(1)
        #expect(try await send("one").status == 202)
        #expect(try await api.events().count == 4)
        try await api.end()
    }

    @Test("every answer says what browsers may do with it, whatever it is")
    func headers() async throws {
        let api = try await APIBench(tokens: ["t"])
        for line in ["GET /health", "GET /login", "GET /nothing", "GET /api/v2/dags", "PUT /metrics", "nonsense"] {
            let answer = try await api.send(line)
            let policy = answer.fields["content-security-policy"] ?? ""
            #expect(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "\(line)")
            #expect(!policy.contains("unsafe") && answer.fields["x-content-type-options"] == "nosniff")
            #expect(
                answer.fields["referrer-policy"] == "same-origin" && answer.fields["strict-transport-security"] == nil)
        }
        var fields = APIAnswer(.ok, [:]).head(at: api.clock.now, isSecure: true).headerFields
        #expect(fields[.strictTransportSecurity] == "max-age=31536000")
        SecurityHeaders.add(to: &fields, nonce: "abc", isSecure: false)
        #expect(fields[.contentSecurityPolicy]?.contains("script-src 'self' 'nonce-abc'") == true)
        try await api.end()
    }
}
