// SPDX-License-Identifier: Apache-2.0

import Crypto
import HTTPTypes
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("Who may do what behind /api/v2", .timeLimit(.minutes(1)))
struct RESTAccessTests {
    /// A path of an endpoint, with names in it that nothing has.
    private static func path(_ endpoint: Endpoint) -> String {
        endpoint.segments.map { segment in
            switch segment {
            case .fixed(let text): text
            case .name: "0"
            }
        }.joined(separator: "/")
    }

    @Test("Every endpoint is for whoever has a right token, and for nobody else")
    func table() async throws {
        let bench = try await RESTBench(tokens: ["right"])
        for endpoint in EndpointTable.all {
            let body: JSONValue? = endpoint.body == nil ? nil : [:]
            let line = (endpoint.method.rawValue, Self.path(endpoint))
            for (field, isRight) in [
                (" ", false), ("Bearer wrong", false), ("Basic right", false), ("Bearer right", true),
            ] {
                let answer = try await bench.send(line.0, line.1, body, ["Authorization": field])
                #expect((answer.status == 401) == !isRight, "\(line) '\(field)': \(answer)")
                if !isRight { #expect(answer.problem?.code == "unauthorized" && !answer.body.contains("right")) }
            }
        }
        try await bench.end()
    }

    @Test("A token does what stands behind it, and what is less; one that was given for events steers nothing")
    func rights() async throws {
        // By the names that they had before, too.
        let rights = APIRight.allCases.filter { $0 != .nothing }
        let api = try await APIBench(
            tokens: rights.map { "to-\($0) \($0)" } + ["to-read read", "to-operate operate", "alone"])
        let bench = RESTBench(of: api)
        for endpoint in EndpointTable.all {
            let body: JSONValue? = endpoint.body == nil ? nil : [:]
            let line = (endpoint.method.rawValue, Self.path(endpoint))
            let older = [("to-read", APIRight.viewer), ("to-operate", .operator)]
            for (token, right) in rights.map({ ("to-\($0)", $0) }) + older + [("alone", .events)] {
                let answer = try await bench.send(line.0, line.1, body, ["Authorization": "Bearer \(token)"])
                #expect((answer.status == 403) == (right < endpoint.right), "\(line) \(token): \(answer)")
                guard answer.status == 403 else { continue }
                #expect(answer.problem?.code == "forbidden" && answer.body.contains("'\(endpoint.right)'"))
            }
        }
        try await api.end()
    }

    @Test("A signature lets events in, and steers nothing: it signs a body, and not what is to be done with it")
    func signatures() async throws {
        let bench = try await RESTBench(secrets: ["s"])
        let code = HMAC<SHA256>.authenticationCode(for: Array("{}".utf8), using: SymmetricKey(data: Array("s".utf8)))
        let text = code.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let fields = ["X-Perch-Signature": "sha256=\(text)"]
        for endpoint in EndpointTable.all {
            let body: JSONValue? = endpoint.body == nil ? nil : [:]
            let answer = try await bench.send(endpoint.method.rawValue, Self.path(endpoint), body, fields)
            if case .events = endpoint.service {
                #expect(answer.status == 202, "\(answer)")
            } else {
                #expect(answer.status == 401, "\(endpoint.method) \(endpoint.path): \(answer)")
            }
        }
        try await bench.end()
    }

    @Test("While there is no token, pages of a browser get nothing, also where their name leads here")
    func browsers() async throws {
        let bench = try await RESTBench()
        for endpoint in EndpointTable.all {
            let body: JSONValue? = endpoint.body == nil ? nil : [:]
            let (method, path) = (endpoint.method.rawValue, Self.path(endpoint))
            let answer = try await bench.send(method, path, body, ["Origin": "http://evil.example"])
            #expect(answer.status == 403, "\(method) \(path): \(answer)")
        }
        for (host, status) in [
            ("evil.example", 403), ("evil.example:8793", 403), ("127.0.0.1.evil.example", 403), ("127.0.0.1:8793", 200),
            ("[::1]:8793", 200), ("LOCALHOST", 200), ("[evil]", 403), ("localhost.evil.example", 403),
        ] {
            let client = try bench.api.client()
            await client.send("GET /api/v2/version HTTP/1.1\r\nHost: \(host)\r\n\r\n")
            let answer = try #require(await client.answer())
            #expect(answer.status == status, "\(host): \(answer)")
        }
        try await bench.end()
    }

    @Test("While the engine starts, nothing is told or done")
    func starting() async throws {
        let bench = try await APIBench(isOpen: false)
        for line in ["GET /api/v2/dags", "POST /api/v2/dags/a/dagRuns", "POST /api/v2/events/a"] {
            let answer = try await bench.send(line)
            #expect(answer.status == 503 && answer.problem?.code == "unavailable", "\(answer)")
        }
        try await bench.end()
    }
}
